"""Redis forgets scripts, stops, comes back and refuses: requests are answered all the same."""

import asyncio
import time

import httpx
import pytest
from fastapi import Depends, FastAPI

from sluicegate import StoreError
from sluicegate.fastapi_limiter import FastAPILimiter
from sluicegate.fastapi_limiter.depends import RateLimiter

# A busy machine answers late, and a server that is gone refuses at once.
PATIENT = {"timeout": "1s"}


@pytest.fixture
def redis(arrange):
    return arrange("redis")


@pytest.fixture
def app():
    app = FastAPI()
    app.get("/", dependencies=[Depends(RateLimiter(times=3, minutes=1))])(lambda: "ok")
    return app


def test_a_script_that_redis_forgot_is_brought_again(serve, redis, app, statuses):
    client = serve(app, redis.url, store=PATIENT)
    assert statuses(client, "/", 1) == [200]
    redis.command("SCRIPT", "FLUSH")
    assert statuses(client, "/", 3) == [200, 200, 429]


def test_limits_go_on_in_memory_while_redis_is_down(serve, redis, app, statuses):
    client = serve(app, redis.url, store=PATIENT)
    redis.kill()
    assert statuses(client, "/", 6) == [200] * 3 + [429] * 3


def test_other_requests_go_on_while_a_redis_that_hangs_is_waited_for(redis, app):
    async def waited():
        await FastAPILimiter.init(redis.url, store=PATIENT)
        redis.pause()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            asking, gap, before = asyncio.create_task(client.get("/")), 0, time.monotonic()
            while not asking.done():
                await asyncio.sleep(0.001)
                now = time.monotonic()
                gap, before = max(gap, now - before), now
        redis.resume()
        await FastAPILimiter.close()
        return asking.result().status_code, gap

    status, gap = asyncio.run(waited())
    FastAPILimiter.redis = None
    assert status == 200
    # The answer took the second that PATIENT allows; nothing else waited for it.
    assert gap < 0.5


def test_a_redis_that_is_down_at_startup_stops_nothing(serve, redis, app, statuses):
    redis.kill()
    assert statuses(serve(app, redis.url, store=PATIENT), "/", 4) == [200] * 3 + [429]


def test_what_redis_counted_before_it_was_gone_is_counted_when_it_is_back(serve, arrange, app, statuses, caplog):
    redis = arrange("redis", "aof")
    client = serve(app, redis.url, store=PATIENT)

    def asked_until(logged):
        answers, deadline = [], time.monotonic() + 30
        while logged not in caplog.text:
            assert time.monotonic() < deadline, logged
            answers += statuses(client, "/", 1)
        return answers

    assert statuses(client, "/", 2) == [200, 200]
    redis.kill()
    assert asked_until("the store does not answer").count(200) == 3
    redis.restart()
    answers = asked_until("the store answers again") + statuses(client, "/", 3)
    assert answers.count(200) == 1


@pytest.mark.parametrize(("outage", "answers"), [("allow", [200] * 5), ("deny", [503] * 5)])
def test_the_outage_policy_says_what_passes_while_redis_is_down(serve, redis, app, statuses, outage, answers):
    client = serve(app, redis.url, store={**PATIENT, "outage": outage})
    redis.kill()
    assert statuses(client, "/", 5) == answers


def test_an_answer_for_want_of_redis_says_when_to_come_back(serve, redis, app):
    client = serve(app, redis.url, store={**PATIENT, "outage": "deny"})
    redis.kill()
    answer = client.get("/")
    assert (answer.json(), answer.headers["retry-after"]) == ({"detail": "Rate limits are unavailable"}, "1")


def test_a_refused_password_stops_the_start(serve, arrange, app):
    redis = arrange("redis", "password=right")
    with pytest.raises(StoreError):
        serve(app, f"redis://:wrong@127.0.0.1:{redis.port()}", store=PATIENT)
