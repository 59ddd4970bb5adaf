"""Clocks that tests move: `ManualClock`, and `time.time` as test libraries replace it."""

import datetime
import time

import pytest

from sluicegate import Limiter, ManualClock


def test_a_clock_stands_still_until_it_is_moved(clock, moved):
    assert moved.take("alice", "1/minute")
    denial = moved.take("alice", "1/minute")
    assert denial.retry_after == 60

    clock.advance(denial.retry_after - 0.000001)
    assert not moved.take("alice", "1/minute")
    clock.advance(0.000001)
    assert moved.take("alice", "1/minute")


def test_a_clock_tells_how_far_it_was_moved():
    clock = ManualClock()
    clock.advance(1.5)
    clock.advance(0)
    assert clock.now() == 1.5


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_clock_only_goes_forward(clock, seconds):
    with pytest.raises(ValueError, match="forward"):
        clock.advance(seconds)
    assert clock.now() == 0


@pytest.mark.parametrize("clock", ["time", "time.monotonic", 5, time.time])
def test_what_is_no_clock_is_refused_with_those_that_are(clock):
    with pytest.raises(ValueError, match="ManualClock"):
        Limiter(clock=clock)


def test_one_clock_moves_several_limiters(clock):
    limiters = [Limiter(clock=clock), Limiter(clock=clock)]
    for limiter in limiters:
        assert limiter.take("alice", "1/minute")
    clock.advance(60)
    assert all(limiter.take("alice", "1/minute") for limiter in limiters)


@pytest.fixture
def followed():
    """A limiter on `time.time`, with alice's minute spent."""
    limiter = Limiter(clock="time.time")
    assert limiter.take("alice", "1/minute")
    assert not limiter.take("alice", "1/minute")
    return limiter


def test_hiro_moves_it(followed):
    hiro = pytest.importorskip("hiro")
    with hiro.Timeline().freeze() as timeline:
        assert not followed.take("alice", "1/minute")
        timeline.forward(59)
        assert not followed.take("alice", "1/minute")
        timeline.forward(2)
        assert followed.take("alice", "1/minute")
        assert not followed.take("alice", "1/minute")


def test_freezegun_moves_it(followed):
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time(datetime.datetime.now(datetime.timezone.utc)) as frozen:
        assert not followed.take("alice", "1/minute")
        frozen.tick(61)
        assert followed.take("alice", "1/minute")
        assert not followed.take("alice", "1/minute")


def test_time_machine_moves_it(followed):
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel(time.time(), tick=False) as traveller:
        assert not followed.take("alice", "1/minute")
        traveller.shift(61)
        assert followed.take("alice", "1/minute")
        assert not followed.take("alice", "1/minute")


def test_a_day_of_the_past_gives_nothing_away_and_goes_on_from_there(followed):
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2001-01-01") as frozen:
        assert not followed.take("alice", "1/minute"), "going back is no time that passed"
        frozen.tick(59)
        assert not followed.take("alice", "1/minute")
        frozen.tick(2)
        assert followed.take("alice", "1/minute"), "a minute has passed there"
        assert not followed.take("alice", "1/minute")


def test_a_limiter_that_was_made_in_the_past_survives_the_way_back():
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2001-01-01"):
        limiter = Limiter(clock="time.time")
        assert limiter.take("alice", "1/minute")
        assert not limiter.take("alice", "1/minute")
    assert limiter.take("alice", "1/minute"), "years have passed"
    assert not limiter.take("alice", "1/minute")


def test_a_time_that_fails_stops_the_clock(followed, monkeypatch):
    def broken():
        raise OSError("no time")

    monkeypatch.setattr(time, "time", broken)
    assert not followed.take("alice", "1/minute")
