"""The apps of bench/python.py: one endpoint, limited by what CONTENDER names. `BENCH_REDIS` is the URL of a Redis.

No limit is ever reached, and each has an amount of its own, so that no two contenders share an account.
"""

import gc
import os
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request, Response
from fastapi.requests import HTTPConnection

REDIS = os.environ.get("BENCH_REDIS", "")


def bare():
    app = FastAPI()

    @app.get("/limited")
    async def limited():
        return {"ok": True}

    return app


def slowapi(storage, amount, package="slowapi"):
    from importlib import import_module

    peer = import_module(package)
    util = import_module(f"{package}.util")
    errors = import_module(f"{package}.errors")
    limiter = peer.Limiter(key_func=util.get_remote_address, storage_uri=storage)
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(errors.RateLimitExceeded, peer._rate_limit_exceeded_handler)

    @app.get("/limited")
    @limiter.limit(f"{amount}/minute")
    async def limited(request: Request):
        return {"ok": True}

    return app


def fastapi_limiter(amount, package="fastapi_limiter"):
    from importlib import import_module

    from redis.asyncio import from_url

    state = import_module(package).FastAPILimiter
    limit = import_module(f"{package}.depends").RateLimiter

    @asynccontextmanager
    async def lifespan(app):
        await state.init(from_url(REDIS))
        yield
        await state.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/limited", dependencies=[Depends(limit(times=amount, minutes=1))])
    async def limited():
        return {"ok": True}

    return app


def fastapi_limiter_0_2(amount):
    from fastapi_limiter.depends import RateLimiter
    from pyrate_limiter import Duration, Limiter, Rate

    app = FastAPI()

    @app.get("/limited", dependencies=[Depends(RateLimiter(limiter=Limiter(Rate(amount, Duration.MINUTE))))])
    async def limited():
        return {"ok": True}

    return app


def dependency(amount, store):
    from sluicegate import Limiter
    from sluicegate.fastapi import RateLimit

    app = FastAPI()

    @app.get("/limited", dependencies=[Depends(RateLimit(f"{amount}/minute", limiter=Limiter(store)))])
    async def limited():
        return {"ok": True}

    return app


def empty_dependency():
    """FastAPI's own cost for a dependency with the same parameters as a limit."""

    async def nothing(connection: HTTPConnection, response: Response):
        pass

    app = FastAPI()

    @app.get("/limited", dependencies=[Depends(nothing)])
    async def limited():
        return {"ok": True}

    return app


def decorator(amount, store):
    from sluicegate import Limiter
    from sluicegate.fastapi import RateLimit

    app = FastAPI()

    @app.get("/limited")
    @RateLimit(f"{amount}/minute", limiter=Limiter(store))
    async def limited():
        return {"ok": True}

    return app


def middleware(quota, store):
    from sluicegate.fastapi import RateLimitMiddleware

    app = bare()
    policy = {"store": {"url": store}, "route": [{"path": "/limited", "limits": [quota]}]}
    app.add_middleware(RateLimitMiddleware, policy=policy)
    return app


CONTENDERS = {
    "bare": bare,
    "slowapi-memory": lambda: slowapi("memory://", 1_000_000_001),
    "slowapi-redis": lambda: slowapi(REDIS, 1_000_000_002),
    "fastapi-limiter-0.1.6-redis": lambda: fastapi_limiter(1_000_000_003),
    "fastapi-limiter-0.2.0-memory": lambda: fastapi_limiter_0_2(1_000_000_004),
    "dependency-memory": lambda: dependency(1_000_000_005, "memory://"),
    "dependency-redis": lambda: dependency(1_000_000_006, REDIS),
    "empty-dependency": empty_dependency,
    "decorator-memory": lambda: decorator(1_000_000_007, "memory://"),
    "decorator-redis": lambda: decorator(1_000_000_008, REDIS),
    "middleware-memory": lambda: middleware("1000000009/minute", "memory://"),
    "middleware-redis": lambda: middleware("1000000010/minute", REDIS),
    "slowapi-drop-in-memory": lambda: slowapi("memory://", 1_000_000_011, "sluicegate.slowapi"),
    "slowapi-drop-in-redis": lambda: slowapi(REDIS, 1_000_000_012, "sluicegate.slowapi"),
    "fastapi-limiter-drop-in-redis": lambda: fastapi_limiter(1_000_000_013, "sluicegate.fastapi_limiter"),
    "middleware-memory-denied": lambda: middleware("1/day", "memory://"),
}

# Not where the runner only wants the names.
if "CONTENDER" in os.environ:
    app = CONTENDERS[os.environ["CONTENDER"]]()
    if os.environ.get("BENCH_FREEZE"):
        gc.collect()
        gc.freeze()
