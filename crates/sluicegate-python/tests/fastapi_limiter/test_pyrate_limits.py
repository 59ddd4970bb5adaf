"""The interface of fastapi-limiter 0.2.0: `RateLimiter(limiter=Limiter(Rate(…)))`, beside that package where they agree."""

import asyncio
import importlib
import time

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response, WebSocket
from fastapi.testclient import TestClient

from sluicegate.fastapi_limiter import FastAPILimiter
from sluicegate.fastapi_limiter.decorators import skip_limiter
from sluicegate.fastapi_limiter.depends import RateLimiter, WebSocketRateLimiter

pyrate = pytest.importorskip("pyrate_limiter", reason="looked at with the newest stack")

both = pytest.mark.parametrize("package", ["fastapi_limiter", "sluicegate.fastapi_limiter"])


def of(package, module, *names):
    found = importlib.import_module(f"{package}.{module}")
    return [getattr(found, name) for name in names]


def rates(*pairs, seconds=60):
    return pyrate.Limiter([pyrate.Rate(limit, seconds * 1000 * factor) for limit, factor in pairs] or [pyrate.Rate(2, seconds * 1000)])


def app_with(*dependencies, skips=lambda endpoint: endpoint):
    app = FastAPI()

    @app.get("/", dependencies=[Depends(dependency) for dependency in dependencies])
    @skips
    async def root():
        return "ok"

    return app


def asked(app, times, path="/", **client):
    client = TestClient(app, **client)
    return [client.get(path).status_code for _ in range(times)]


async def me(request):
    return "me"


@both
def test_a_limiter_allows_its_rate(package):
    [limiter] = of(package, "depends", "RateLimiter")
    for dependency in (
        limiter(limiter=rates()),
        limiter(rates()),
        limiter(rates(), me),
        limiter(limiter=rates((2, 1), (3, 10)), identifier=me),
    ):
        assert asked(app_with(dependency), 3) == [200, 200, 429]
        assert dependency.blocking is False


@both
def test_a_denial_is_answered_by_the_callback(package):
    [limiter], [default] = of(package, "depends", "RateLimiter"), of(package, "callback", "default_callback")

    async def passing(request: Request, response: Response):
        response.headers["x-denied"] = request.url.path

    denied = TestClient(app_with(limiter(rates((1, 1)), me, passing)))
    assert "x-denied" not in denied.get("/").headers
    assert denied.get("/").headers["x-denied"] == "/"
    by_default = TestClient(app_with(limiter(limiter=rates((1, 1)), identifier=me, callback=default)))
    by_default.get("/")
    answer = by_default.get("/")
    assert (answer.status_code, answer.json()) == (429, {"detail": "Too Many Requests"})


@both
def test_an_endpoint_can_skip_the_limits_around_it(package):
    [limiter], [skip] = of(package, "depends", "RateLimiter"), of(package, "decorators", "skip_limiter")
    assert asked(app_with(limiter(limiter=rates((1, 1)), identifier=me), skips=skip), 4) == [200] * 4


@both
def test_a_limiter_that_blocks_lets_pass_when_it_is_time(package):
    [limiter] = of(package, "depends", "RateLimiter")
    client = TestClient(app_with(limiter(limiter=rates((1, 1), seconds=0.3), identifier=me, blocking=True)))
    began = time.monotonic()
    assert [client.get("/").status_code for _ in range(3)] == [200] * 3
    assert time.monotonic() - began > 0.55


@both
def test_a_websocket_is_limited_message_by_message(package):
    [limiter] = of(package, "depends", "WebSocketRateLimiter")
    limit = limiter(limiter=rates((2, 1)), identifier=me)
    app = FastAPI()

    @app.websocket("/ws")
    async def chat(websocket: WebSocket):
        await websocket.accept()
        async for text in websocket.iter_text():
            try:
                await limit(websocket, context_key="one")
            except Exception as denied:
                await websocket.send_text(str(denied.status_code))
            else:
                await websocket.send_text(text)

    with TestClient(app).websocket_connect("/ws") as ws:
        answers = []
        for _ in range(3):
            ws.send_text("hello")
            answers.append(ws.receive_text())
    assert answers == ["hello", "hello", "429"]


def test_each_caller_route_and_limit_has_the_whole_rate():
    limiter, router = rates((2, 1)), APIRouter(dependencies=[Depends(RateLimiter(limiter=rates((5, 1))))])

    @router.get("/x")
    @router.get("/y")
    def x():
        return "ok"

    app = FastAPI(dependencies=[Depends(RateLimiter(limiter=limiter))])
    app.include_router(router, prefix="/v1")
    for address in ("192.0.2.1", "192.0.2.2"):
        for path in ("/v1/x", "/v1/y"):
            assert asked(app, 3, path, client=(address, 5000)) == [200, 200, 429]
    # Another app's limiter is another account.
    assert asked(app_with(RateLimiter(limiter=rates())), 3) == [200, 200, 429]


def test_a_denial_says_when_to_come_again_and_a_forged_address_changes_nothing():
    client = TestClient(app_with(RateLimiter(limiter=rates((1, 1)))))
    client.get("/")
    denied = client.get("/", headers={"x-forwarded-for": "192.0.2.9"})
    assert denied.status_code == 429
    assert 55 <= int(denied.headers["retry-after"]) <= 60


def test_init_names_the_store_for_it(serve, limiter, clock):
    app = app_with(RateLimiter(limiter=rates((2, 1), (3, 10))))
    client = serve(app, limiter)
    assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
    clock.advance(60.1)
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]
    # What the longer rate denied was charged to none: after its window two pass again.
    clock.advance(601)
    assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]


def test_what_a_later_limit_denies_costs_the_earlier_nothing_in_any_rate(serve, limiter):
    generous = RateLimiter(limiter=rates((3, 1), (4, 10)))
    app = app_with(generous, RateLimiter(limiter=rates((1, 1))))
    other = RateLimiter(limiter=rates((100, 1)))
    app.get("/other", dependencies=[Depends(other)])(lambda: "ok")
    client = serve(app, limiter)
    assert [client.get("/").status_code for _ in range(6)] == [200] + [429] * 5
    keys = [f"fastapi-limiter:testclient:/:GET /:0:{name}" for name in ("3/60000", "4/600000")]
    quotas = ("3/minute", "4/10 minutes")
    from sluicegate import Quota

    left = [limiter.peek(key, Quota.parse(quota, algorithm="sliding-log")).remaining for key, quota in zip(keys, quotas, strict=True)]
    assert left == [2, 3]


@pytest.mark.parametrize("algorithm", ["FixedWindow", "SlidingWindowLog", "GCRA", "TokenBucket"])
def test_every_algorithm_in_memory_is_taken(algorithm):
    rate, kind = [pyrate.Rate(2, 60_000)], getattr(pyrate, algorithm)
    bucket = pyrate.StateBucket(rate, kind()) if algorithm in ("GCRA", "TokenBucket") else pyrate.InMemoryBucket(rate, kind())
    app = app_with(RateLimiter(limiter=pyrate.Limiter(bucket)))
    for address in ("192.0.2.1", "192.0.2.2"):
        assert asked(app, 3, client=(address, 5000)) == [200, 200, 429]


def test_a_limiter_that_keeps_accounts_of_its_own_is_asked():
    class Asked:
        def __init__(self):
            self.keys = []

        async def try_acquire_async(self, name, blocking):
            self.keys.append((name, blocking))
            return len(self.keys) < 2

    limiter = Asked()
    answers = asked(app_with(RateLimiter(limiter=limiter, identifier=lambda request: "me", blocking=True)), 2)
    assert answers == [200, 429]
    assert [(key.split(":")[1], blocking) for key, blocking in limiter.keys] == [("me", True)] * 2


def test_sync_endpoints_and_methods_can_skip_too():
    class Pages:
        def health(self):
            return "well"

    app = FastAPI(dependencies=[Depends(RateLimiter(limiter=rates((1, 1))))])
    app.get("/method")(skip_limiter(Pages().health))
    app.get("/sync")(skip_limiter(lambda: "well"))
    app.get("/limited")(lambda: "well")
    for path in ("/method", "/sync"):
        assert asked(app, 3, path) == [200] * 3
    assert asked(app, 2, "/limited") == [200, 429]


def test_a_window_beside_a_limiter_and_what_is_no_limiter_are_refused_where_they_are_written():
    for wrong in ({"times": 5}, {"seconds": 1}):
        with pytest.raises(TypeError, match="a limiter has its rates"):
            RateLimiter(limiter=rates(), **wrong)
    for wrong in ({"limiter": 5}, {"limiter": pyrate.Rate(1, 1)}, {"seconds": 1, "blocking": True}):
        with pytest.raises(TypeError, match=r"limiter is a pyrate_limiter.Limiter"):
            RateLimiter(**wrong)
    assert WebSocketRateLimiter(limiter=rates()).blocking is False
    assert FastAPILimiter.redis is None
    assert asyncio.run(me(None)) == "me"
