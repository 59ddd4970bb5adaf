"""`Limiter.enabled` and `clear`: limits of an app switched off and forgotten, as its tests do."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from sluicegate import Limiter
from sluicegate.fastapi import Pass, RateLimit, RateLimitMiddleware, default_limiter
from sluicegate.fastapi_limiter import FastAPILimiter
from sluicegate.fastapi_limiter.depends import RateLimiter


def dependency(limiter):
    app = FastAPI()

    @app.get("/")
    async def root(permit: Annotated[Pass, Depends(RateLimit("5 tokens/hour", cost=5, limiter=limiter))]):
        await permit.settle_async(tokens=5)
        return [balance.remaining for balance in permit.balances]

    return app


def decorator(limiter):
    app = FastAPI()

    @app.get("/")
    @RateLimit("1/hour", limiter=limiter)
    def root(): ...

    return app


def slots(limiter):
    app = FastAPI(dependencies=[Depends(RateLimit("1/hour", "1 concurrent", limiter=limiter))])

    @app.get("/")
    async def root(): ...

    return app


def middleware(limiter):
    app = FastAPI()

    @app.get("/")
    async def root(): ...

    return RateLimitMiddleware(app, limiter=limiter)


@pytest.mark.parametrize("app_of", [dependency, decorator, slots, middleware])
def test_a_limiter_is_switched_off_and_on_and_cleared(app_of):
    limiter = Limiter(policy={"defaults": {"limits": ["1/hour"]}})
    client = TestClient(app_of(limiter))
    assert limiter.enabled is True
    for _ in range(2):
        assert [client.get("/").status_code for _ in range(2)] == [200, 429]
        limiter.enabled = False
        answers = [client.get("/") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4
        assert not [name for answer in answers for name in answer.headers if "ratelimit" in name]
        limiter.enabled = True
        assert client.get("/").status_code == 429
        limiter.clear()


def test_a_permit_of_a_limiter_that_is_off_is_settled_and_released_without_effect():
    limiter = Limiter()
    app = FastAPI()
    seen = []

    @app.get("/")
    async def root(given: Annotated[Pass, Depends(RateLimit("5 usd/hour", "1 concurrent", cost=1, limiter=limiter))]):
        with given as held:
            held.settle(2.5)
            held.settle(usd=0.5)
            await held.settle_async(tokens=4)
        seen.append((bool(given), given.balances, given.holds, given.lines))

    limiter.enabled = False
    assert [TestClient(app).get("/").status_code for _ in range(3)] == [200] * 3
    assert seen == [(True, (), False, [])] * 3


def test_the_limiter_that_all_share_can_be_cleared_and_switched_off(monkeypatch):
    def app():
        app = FastAPI()
        app.get("/", dependencies=[Depends(RateLimit("1/hour", name="shared-by-tests"))])(lambda: "ok")
        return TestClient(app)

    default_limiter().clear()
    assert [app().get("/").status_code for _ in range(2)] == [200, 429]
    default_limiter().clear()
    assert [app().get("/").status_code for _ in range(2)] == [200, 429]
    monkeypatch.setattr(default_limiter(), "enabled", False)
    assert [app().get("/").status_code for _ in range(3)] == [200] * 3
    monkeypatch.undo()
    assert app().get("/").status_code == 429
    default_limiter().clear()


def test_the_drop_in_for_fastapi_limiter_heeds_it_too():
    limiter = Limiter()
    app = FastAPI()
    app.get("/", dependencies=[Depends(RateLimiter(times=1, hours=1))])(lambda: "ok")
    with TestClient(app) as client:
        client.portal.call(FastAPILimiter.init, limiter)
        try:
            assert [client.get("/").status_code for _ in range(2)] == [200, 429]
            limiter.enabled = False
            assert [client.get("/").status_code for _ in range(3)] == [200] * 3
        finally:
            client.portal.call(FastAPILimiter.close)
            FastAPILimiter.redis = None
