"""Connections to Redis that end while an app idles: its next request is decided by Redis, in each way in."""

import asyncio
import time
from contextlib import contextmanager
from functools import partial

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient

from sluicegate import Limiter
from sluicegate.fastapi import RateLimit
from sluicegate.fastapi_limiter import FastAPILimiter
from sluicegate.fastapi_limiter.depends import RateLimiter
from sluicegate.slowapi import Limiter as SlowapiLimiter
from sluicegate.slowapi.util import get_remote_address

QUOTA = 6


@contextmanager
def sync_limiter(url):
    limiter = Limiter(url)
    yield lambda: bool(limiter.take("alice", f"{QUOTA}/hour"))


@contextmanager
def async_limiter(url):
    limiter = Limiter(url, {"store": {"outage": "deny"}})

    async def take():
        return bool(await limiter.take_async("alice", f"{QUOTA}/hour"))

    with asyncio.Runner() as loop:
        yield lambda: loop.run(take())


@contextmanager
def dependency(url):
    app = FastAPI()
    limit = RateLimit(f"{QUOTA}/hour", limiter=Limiter(url, {"store": {"outage": "deny"}}))
    app.get("/", dependencies=[Depends(limit)])(lambda: "ok")
    with TestClient(app) as client:
        yield lambda: passes(client)


@contextmanager
def slowapi(url):
    app = FastAPI()
    app.state.limiter = limiter = SlowapiLimiter(get_remote_address, storage_uri=url)

    @app.get("/")
    @limiter.limit(f"{QUOTA}/hour")
    def limited(request: Request):
        return "ok"

    with TestClient(app) as client:
        yield lambda: passes(client)


@contextmanager
def fastapi_limiter(url):
    app = FastAPI()
    app.get("/", dependencies=[Depends(RateLimiter(times=QUOTA, hours=1))])(lambda: "ok")
    with TestClient(app) as client:
        client.portal.call(partial(FastAPILimiter.init, url))
        yield lambda: passes(client)
        client.portal.call(FastAPILimiter.close)
    FastAPILimiter.redis = None


def passes(client):
    status = client.get("/").status_code
    assert status in (200, 429)
    return status == 200


def closed(redis):
    """Waits until Redis, by its own `timeout`, has closed every connection that is open now."""
    before, deadline = redis.clients(), time.monotonic() + 30
    assert before
    while before & redis.clients():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def killed(redis):
    redis.command("CLIENT", "KILL", "TYPE", "normal")


def restarted(redis):
    redis.restart()


@pytest.mark.parametrize("fate", [closed, killed, restarted])
@pytest.mark.parametrize("way_in", [sync_limiter, async_limiter, dependency, slowapi, fastapi_limiter])
def test_the_next_request_is_decided_by_redis(arrange, way_in, fate):
    redis = arrange("redis", "aof", *(["line=timeout 1"] if fate is closed else []))
    with way_in(redis.url) as asks:
        for passing in ([True] * 3, [True] * 2):
            assert [asks() for _ in passing] == passing
            fate(redis)
        assert [asks() for _ in range(3)] == [True, False, False]
