"""Redis killed, paused or restarted under the requests of an app: nobody gets a 500, and limits hold."""

import asyncio
import time

import pytest
from fastapi import Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from sluicegate import Limiter
from sluicegate.fastapi import RateLimit, RateLimitMiddleware

AMOUNT = 50
QUOTA = f"{AMOUNT}/day"


def build(limiter):
    """An app with a limit of each kind."""
    app = FastAPI()

    @app.get("/dependency", dependencies=[Depends(RateLimit(QUOTA, limiter=limiter))])
    async def dependency():
        return {}

    @app.get("/decorated")
    @RateLimit(QUOTA, limiter=limiter)
    async def decorated():
        return {}

    @app.get("/middleware")
    async def middleware():
        return {}

    return RateLimitMiddleware(app, limiter=limiter)


PATHS = ["/dependency", "/decorated", "/middleware"]


def policy(**store):
    # A loaded machine shall not look like an outage.
    return {"store": {"timeout": "1s", **store}, "route": [{"path": "/middleware", "limits": [QUOTA]}]}


def client(app):
    transport = ASGITransport(app, client=("203.0.113.7", 50000))
    return AsyncClient(transport=transport, base_url="http://app")


async def killed(redis):
    redis.kill()
    await lasts(0.6)


async def paused(redis):
    redis.pause()
    await lasts(0.6)
    redis.resume()


async def restarted(redis):
    redis.kill()
    redis.restart()


async def lasts(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("fate", [killed, paused, restarted])
def test_every_request_is_answered_and_limits_hold(fate, arrange):
    async def suffer():
        redis = arrange("redis")
        codes, ends = {path: [] for path in PATHS}, False

        # A Redis that is killed says so; one that is paused has to be found out.
        store = policy(timeout="100ms") if fate is paused else policy()
        async with client(build(Limiter(redis.url, store))) as asks:

            async def load(path):
                while not ends:
                    codes[path].append((await asks.get(path)).status_code)
                    # What is decided here and at once never lets go of the loop.
                    await asyncio.sleep(0.001)

            loads = [asyncio.create_task(load(path)) for path in PATHS * 2]

            async def goes_on():
                before = {path: len(codes[path]) for path in PATHS}
                deadline = time.monotonic() + 30
                # One more than may pass, so that one is denied.
                while any(len(codes[path]) <= before[path] + AMOUNT for path in PATHS):
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.005)

            await goes_on()
            await fate(redis)
            await goes_on()
            ends = True
            await asyncio.gather(*loads)
        return codes

    for path, codes in asyncio.run(suffer()).items():
        assert set(codes) == {200, 429}, path
        # Once in Redis and once here; and a Redis that is started again has forgotten what was spent.
        assert AMOUNT <= codes.count(200) <= AMOUNT * (3 if fate is restarted else 2) + 1, path


def test_an_app_that_denies_without_redis_answers_503_until_it_is_back(arrange):
    async def suffer():
        redis = arrange("redis")
        limiter = Limiter(redis.url, policy(outage="deny"))
        async with client(build(limiter)) as asks:

            async def codes():
                return [(await asks.get(path)).status_code for path in PATHS]

            assert await codes() == [200] * 3
            redis.kill()
            assert await codes() == [503] * 3
            redis.restart()
            deadline = time.monotonic() + 15
            while await codes() != [200] * 3:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)

    asyncio.run(suffer())
