"""Stores elsewhere, and what becomes of limits while they do not answer."""

import asyncio
import time

import httpx
import pytest
from fastapi import Request
from fastapi.testclient import TestClient

# A loaded machine shall not look like an outage.
PATIENT = {"socket_timeout": 1}


@pytest.fixture
def on_redis(build, arrange):
    """An app on a Redis, with a route of every kind: `app, limiter, redis = on_redis(swallow_errors=True)`."""

    def on_redis(limit="2/hour", **settings):
        redis = arrange("redis")
        app, limiter = build(storage_uri=redis.url, storage_options=PATIENT, default_limits=[limit], **settings)

        @app.get("/async")
        @limiter.limit(limit)
        async def waiting(request: Request):
            return {}

        @app.get("/sync")
        @limiter.limit(limit)
        def plain(request: Request):
            return {}

        @app.get("/default")
        def default():
            return {}

        return app, limiter, redis

    return on_redis


ROUTES = ("/async", "/sync", "/default")


@pytest.mark.parametrize("scheme", ["redis", "async+redis", "valkey"])
def test_limiters_that_share_a_redis_share_accounts(build, arrange, statuses, scheme):
    url = arrange("redis").url.replace("redis", scheme, 1)
    apps = [build(storage_uri=url, storage_options=PATIENT, default_limits=["3/hour"])[0] for _ in range(2)]
    for app in apps:
        app.add_api_route("/", lambda: {})
    first, second = apps
    assert statuses(first, "/", 2) + statuses(second, "/", 2) + statuses(first, "/") == [200, 200, 200, 429, 429]


def test_the_storage_counts_and_forgets_in_redis(on_redis, statuses):
    app, limiter, _ = on_redis()
    account = "LIMITER/203.0.113.7//async/2/1/hour"
    statuses(app, "/async")
    assert limiter._storage.get(account) == 1
    limiter.reset()
    assert limiter._storage.get(account) == 0
    assert statuses(app, "/async", 3) == [200, 200, 429]
    assert limiter._storage.get(account) == 2, "no other process would tell of what was denied here"
    limiter._storage.clear(account)
    assert statuses(app, "/async") == [200]


def test_memcached_cannot_forget_all_and_says_so(arrange, statuses, build, caplog):
    try:
        memcached = arrange("memcached")
        url = memcached.url
    except AssertionError:
        pytest.skip("no memcached here")
    _, limiter = build(storage_uri=url, storage_options=PATIENT)
    with pytest.raises(NotImplementedError):
        limiter._storage.reset()
    limiter.reset()
    assert "does not support being reset" in caplog.text


@pytest.mark.parametrize("path", ROUTES)
def test_memory_decides_while_redis_is_down(on_redis, statuses, path):
    app, limiter, redis = on_redis()
    assert statuses(app, path, 2) == [200, 200]
    redis.kill()
    assert statuses(app, path, 4) == [200, 200, 429, 429]
    assert not limiter._storage.check()


@pytest.mark.parametrize("path", ROUTES)
def test_limits_pass_while_redis_is_down_where_errors_are_swallowed(on_redis, statuses, path):
    app, _, redis = on_redis(swallow_errors=True, headers_enabled=True)
    assert statuses(app, path, 2) == [200, 200]
    redis.kill()
    assert statuses(app, path, 4) == [200] * 4


def test_memory_decides_where_it_was_asked_to_though_errors_are_swallowed(on_redis, statuses):
    app, _, redis = on_redis(swallow_errors=True, in_memory_fallback_enabled=True)
    redis.kill()
    assert statuses(app, "/async", 3) == [200, 200, 429]


@pytest.mark.parametrize("path", ROUTES)
def test_other_limits_hold_while_redis_is_down_and_the_first_again_afterwards(on_redis, statuses, path):
    app, limiter, redis = on_redis("9/hour", in_memory_fallback=["1/hour"], headers_enabled=True)
    assert statuses(app, path, 2) == [200, 200]
    redis.kill()
    assert statuses(app, path, 3) == [200, 429, 429]
    assert limiter._storage_dead and limiter.limiter is limiter._fallback_limiter
    redis.restart()
    deadline = time.monotonic() + 30
    while limiter._storage_dead:
        assert time.monotonic() < deadline, "the store is asked again"
        statuses(app, path, client=("192.0.2.1", 1))
    assert statuses(app, path, 2) == [200, 200]


@pytest.mark.parametrize("settings", [{}, {"application_limits": ["1000/hour"]}])
def test_a_redis_that_hangs_does_not_stop_the_event_loop(on_redis, settings):
    app, _, redis = on_redis("1000/hour", **settings)
    gaps = []

    async def watch():
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before)

    async def load():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            await client.get("/async")
            watching = asyncio.ensure_future(watch())
            redis.pause()
            answers = await asyncio.gather(*(client.get(path) for path in ROUTES * 4))
            redis.resume()
            watching.cancel()
        return {answer.status_code for answer in answers}

    assert asyncio.run(load()) == {200}
    # The wait for Redis is a second: a loop that waited for it would stand still for as long.
    assert max(gaps) < 0.5


def test_a_redis_that_was_never_there_is_an_outage_and_no_error(build, statuses):
    app, _ = build(storage_uri="redis://127.0.0.1:1", default_limits=["1/hour"], headers_enabled=True)
    app.add_api_route("/", lambda: {})
    assert statuses(app, "/", 2) == [200, 429]
    assert "X-RateLimit-Limit" in TestClient(app).get("/").headers


def test_where_nothing_shall_pass_without_a_store_the_answer_is_503(build, monkeypatch):
    monkeypatch.setenv("SLUICEGATE_STORE__OUTAGE", "deny")
    app, limiter = build(storage_uri="redis://127.0.0.1:1", default_limits=["1/hour"])
    app.add_api_route("/default", lambda: {})

    @app.get("/decorated")
    @limiter.limit("1/hour")
    def decorated(request: Request):
        return {}

    for path in ("/default", "/decorated"):
        answer = TestClient(app).get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_key_function_may_wait_while_redis_does(statuses, build, arrange):
    async def key(request):
        await asyncio.sleep(0)
        return "tenant"

    app, limiter = build(key, storage_uri=arrange("redis").url, storage_options=PATIENT)

    @app.get("/")
    @limiter.limit("1/hour")
    def root(request: Request):
        return {}

    assert statuses(app, "/", 2) == [200, 429]
