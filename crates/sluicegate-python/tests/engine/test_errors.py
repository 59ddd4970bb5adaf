"""Errors of calls that make no sense: at once, with the remedy, and never with a password."""

import logging

import pytest

from sluicegate import Charge, Limiter, Policy, PolicyError, StoreError


def test_a_negative_cost_is_an_error_and_charges_nothing(moved):
    for call in (moved.take, moved.take_async, Charge):
        with pytest.raises(ValueError, match="0 or more, not -1"):
            call("alice", "10/minute", -1)
    with pytest.raises(ValueError, match="0 or more, not -0.1"):
        moved.take("alice", "10 usd/minute", -0.1)
    assert moved.peek("alice", "10/minute").remaining == 10


@pytest.mark.parametrize("cost", [1.5, 1.0, "1", None.__class__, [1]])
def test_a_cost_in_tokens_is_an_int(moved, cost):
    with pytest.raises(TypeError, match="a cost in tokens is an int"):
        moved.take("alice", "10 tokens/minute", cost)


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1e-9])
def test_dollars_are_a_number(moved, cost):
    with pytest.raises(ValueError, match="usd"):
        moved.take("alice", "10 usd/minute", cost)


def test_a_cost_beyond_all_bounds_is_an_error(moved):
    with pytest.raises(ValueError, match="a cost is a number of requests"):
        moved.take("alice", "10/minute", 2**70)


def test_calls_that_say_too_little_or_too_much_say_how_to_write_them(moved):
    with pytest.raises(TypeError, match='take\\("alice", "10/minute"\\)'):
        moved.take("alice")
    with pytest.raises(TypeError, match="str or a sluicegate.Quota"):
        moved.take("alice", 5)
    with pytest.raises(TypeError, match="has its quota"):
        moved.take(Charge("alice", "1/minute"), "2/minute")
    for nothing in (5, None):
        with pytest.raises(TypeError, match="a key, a Charge or several"):
            moved.take(nothing)
    with pytest.raises(TypeError, match="Charge"):
        moved.take(["alice"])


def test_a_quota_that_cannot_be_read_fails_every_call(moved):
    for call in (moved.take, moved.take_async, moved.peek, moved.peek_async, moved.reset, moved.reset_async, Charge):
        with pytest.raises(PolicyError, match="minuet"):
            call("alice", "10/minuet")


def test_an_outage_policy_is_one_of_three():
    with pytest.raises(PolicyError, match="local, allow or deny"):
        Charge("alice", "10/minute", outage="maybe")


@pytest.mark.parametrize("url", ["redis:/x", "ftp://localhost", "localhost:6379", ""])
def test_what_is_no_store_is_answered_with_those_that_exist(url):
    with pytest.raises(PolicyError, match="redis\\+sentinel://"):
        Limiter(url)


@pytest.mark.parametrize("url", ["redis://u:sesame@host:port/", "redis://u:sesame@127.0.0.1:6379/?db=1"])
def test_a_url_that_is_wrong_is_explained_without_its_password(url):
    with pytest.raises(StoreError) as error:
        Limiter(url)
    assert error.value.misconfiguration is True
    assert "redis://[USER:PASSWORD@]HOST" in str(error.value)
    assert "sesame" not in str(error.value)


def test_a_password_is_never_shown(caplog):
    caplog.set_level(logging.DEBUG)
    limiter = Limiter("redis://alice:sesame@127.0.0.1:1/2", {"store": {"outage": "deny"}})

    with pytest.raises(StoreError) as error:
        limiter.take("alice", "1/minute")
    assert error.value.misconfiguration is False
    assert "127.0.0.1:1" in str(error.value)
    shown = [limiter.store, repr(limiter), repr(limiter.policy), str(error.value), repr(error.value), caplog.text]
    assert limiter.store == "redis://alice:***@127.0.0.1:1/2"
    assert not [text for text in shown if "sesame" in text]


def test_a_refused_password_is_a_misconfiguration(arrange):
    redis = arrange("redis", "password=sesame")
    wrong = redis.url.replace("sesame", "open")

    Limiter(redis.url).check()
    with pytest.raises(StoreError) as error:
        Limiter(wrong).check()
    assert error.value.misconfiguration is True
    assert "open" not in str(error.value)


def test_a_policy_names_its_store_alone():
    with pytest.raises(TypeError, match="give no other"):
        Limiter("memory://", Policy({}))


def test_memcached_cannot_forget_all_accounts_and_says_what_to_do(arrange):
    with pytest.raises(StoreError, match="flush_all"):
        Limiter(arrange("memcached").url).clear()
