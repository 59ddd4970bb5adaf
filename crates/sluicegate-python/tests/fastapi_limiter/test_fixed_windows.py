"""Admissions of a limit, their times, and its responses to the rest."""

import pytest
from fastapi import Depends, FastAPI

from sluicegate.fastapi_limiter.depends import RateLimiter, WebSocketRateLimiter


def limited(*limiters):
    app = FastAPI()
    app.get("/", dependencies=[Depends(limiter) for limiter in limiters])(lambda: {"ok": True})
    return app


def test_a_denial_is_429_with_the_peers_body_and_the_wait(serve, limiter, clock):
    client = serve(limited(RateLimiter(times=2, seconds=5)), limiter)
    assert [client.get("/").status_code for _ in range(2)] == [200, 200]
    clock.advance(1.4)
    denied = client.get("/")
    assert denied.status_code == 429
    assert denied.json() == {"detail": "Too Many Requests"}
    assert dict(denied.headers) == {"retry-after": "4", "content-length": "30", "content-type": "application/json"}


def test_an_answer_that_passes_has_no_header_of_ours(serve, limiter):
    client = serve(limited(RateLimiter(times=2, seconds=5)), limiter)
    assert set(client.get("/").headers) == {"content-length", "content-type"}


def test_a_window_begins_with_its_first_request_and_ends_on_time(serve, limiter, clock, statuses):
    client = serve(limited(RateLimiter(times=1, seconds=5)), limiter)
    clock.advance(3)
    assert statuses(client, "/", 2) == [200, 429]
    clock.advance(4.999)
    assert statuses(client, "/", 1) == [429]
    clock.advance(0.001)
    assert statuses(client, "/", 2) == [200, 429]


def test_a_window_may_be_shorter_than_a_second(serve, limiter, clock, statuses):
    client = serve(limited(RateLimiter(times=5, milliseconds=500)), limiter)
    assert statuses(client, "/", 6) == [200] * 5 + [429]
    clock.advance(0.499)
    denied = client.get("/")
    assert (denied.status_code, denied.headers["retry-after"]) == (429, "1")
    clock.advance(0.001)
    assert statuses(client, "/", 1) == [200]


def test_the_parts_of_a_window_add_up():
    limiter = RateLimiter(7, 1, 2, 3, 4)
    assert (limiter.times, limiter.milliseconds) == (7, 4 * 3_600_000 + 3 * 60_000 + 2 * 1000 + 1)


def test_a_limit_of_nothing_denies_the_first_request_too(serve, limiter, statuses):
    client = serve(limited(RateLimiter(times=0, seconds=5)), limiter)
    assert statuses(client, "/", 3) == [429, 429, 429]
    assert client.get("/").headers["retry-after"] == "5"


@pytest.mark.parametrize("kind", [RateLimiter, WebSocketRateLimiter])
@pytest.mark.parametrize("window", [{}, {"seconds": 0}, {"seconds": -1}, {"minutes": 1, "seconds": -60}])
def test_a_limit_without_a_window_is_an_error_where_it_is_written(kind, window):
    with pytest.raises(ValueError, match="a limit needs a window"):
        kind(times=1, **window)


def test_less_than_nothing_is_an_error_where_it_is_written():
    with pytest.raises(ValueError, match="times is 0 or more"):
        RateLimiter(times=-1, seconds=1)


def test_a_limit_that_an_app_changes_as_it_runs_is_obeyed(serve, limiter, clock, statuses):
    limit = RateLimiter(times=1, seconds=5)
    client = serve(limited(limit), limiter)
    limit.times = 3
    assert statuses(client, "/", 4) == [200, 200, 200, 429]


def test_every_limit_of_a_route_is_kept(serve, limiter, clock, statuses):
    client = serve(limited(RateLimiter(times=1, seconds=5), RateLimiter(times=2, seconds=15)), limiter)
    assert statuses(client, "/", 2) == [200, 429]
    clock.advance(5)
    assert statuses(client, "/", 2) == [200, 429]
    clock.advance(5)
    denied = client.get("/")
    assert (denied.status_code, denied.headers["retry-after"]) == (429, "5")
    clock.advance(5)
    assert statuses(client, "/", 1) == [200]


def test_what_one_limit_denies_costs_the_others_nothing(serve, limiter, clock, statuses):
    client = serve(limited(RateLimiter(times=3, minutes=1), RateLimiter(times=1, seconds=5)), limiter)
    assert statuses(client, "/", 9) == [200] + [429] * 8
    clock.advance(5)
    assert statuses(client, "/", 1) == [200]
    clock.advance(5)
    assert statuses(client, "/", 1) == [200]
    clock.advance(5)
    denied = client.get("/")
    assert (denied.status_code, denied.headers["retry-after"]) == (429, "45")


def test_what_a_callback_lets_pass_stays_charged(serve, limiter, clock, statuses):
    async def lenient(request, response, pexpire):
        response.headers["x-slow-down"] = str(pexpire)

    client = serve(limited(RateLimiter(times=2, minutes=1), RateLimiter(times=1, minutes=1, callback=lenient)), limiter)
    assert statuses(client, "/", 1) == [200]
    slowed = client.get("/")
    assert (slowed.status_code, slowed.headers["x-slow-down"]) == (200, "60000")
    assert statuses(client, "/", 1) == [429]
