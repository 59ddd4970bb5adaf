"""The names that users of slowapi import, call and reach for in private."""

import importlib
import inspect
import time

import hiro
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse

from sluicegate.slowapi import Limiter
from sluicegate.slowapi.errors import RateLimitExceeded
from sluicegate.slowapi.extension import HEADERS, MAX_BACKEND_CHECKS, C
from sluicegate.slowapi.middleware import SlowAPIMiddleware
from sluicegate.slowapi.util import get_remote_address
from sluicegate.slowapi.wrappers import Limit, LimitGroup


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("", "Limiter _rate_limit_exceeded_handler"),
        (".extension", "C HEADERS Limiter MAX_BACKEND_CHECKS _rate_limit_exceeded_handler"),
        (".errors", "RateLimitExceeded"),
        (
            ".middleware",
            "SlowAPIASGIMiddleware SlowAPIMiddleware _find_route_handler _get_route_name _should_exempt "
            "async_check_limits sync_check_limits",
        ),
        (".util", "get_ipaddr get_remote_address"),
        (".wrappers", "Limit LimitGroup"),
    ],
)
def test_modules_have_slowapis_names(module, names):
    found = importlib.import_module(f"sluicegate.slowapi{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_arguments_stand_in_slowapis_order():
    assert list(inspect.signature(Limiter).parameters)[:16] == [
        "key_func",
        "default_limits",
        "application_limits",
        "headers_enabled",
        "strategy",
        "storage_uri",
        "storage_options",
        "auto_check",
        "swallow_errors",
        "in_memory_fallback",
        "in_memory_fallback_enabled",
        "retry_after",
        "key_prefix",
        "enabled",
        "config_filename",
        "key_style",
    ]
    assert list(inspect.signature(Limiter.limit).parameters)[1:] == [
        "limit_value",
        "key_func",
        "per_method",
        "methods",
        "error_message",
        "exempt_when",
        "cost",
        "override_defaults",
    ]
    assert list(inspect.signature(Limiter.shared_limit).parameters)[1:] == [
        "limit_value",
        "scope",
        "key_func",
        "error_message",
        "exempt_when",
        "cost",
        "override_defaults",
    ]


def test_constants_are_slowapis():
    assert (C.STORAGE_URL, C.HEADER_RETRY_AFTER_VALUE) == ("RATELIMIT_STORAGE_URL", "RATELIMIT_HEADER_RETRY_AFTER_VALUE")
    assert (HEADERS.RESET, HEADERS.REMAINING, HEADERS.LIMIT, HEADERS.RETRY_AFTER) == (1, 2, 3, 4)
    assert MAX_BACKEND_CHECKS == 5
    assert issubclass(SlowAPIMiddleware, BaseHTTPMiddleware)
    assert issubclass(RateLimitExceeded, HTTPException)


def test_a_denial_says_which_limit_it_was():
    group = LimitGroup("10 per 5 minutes;1/second", get_remote_address, None, False, None, None, None, 1, True)
    first, second = group
    assert isinstance(first, Limit)
    denied = RateLimitExceeded(first)
    assert (denied.status_code, denied.detail, str(denied.limit.limit)) == (429, "10 per 5 minute", "10 per 5 minute")
    assert denied.limit.limit.get_expiry() == 300
    assert (denied.limit.limit.amount, denied.limit.limit.multiples) == (10, 5)
    assert second.limit < first.limit
    assert first.limit.key_for("a", "/b") == "LIMITER/a//b/10/5/minute"


def test_a_custom_handler_can_set_the_headers_and_read_the_limit(build):
    app, limiter = build(headers_enabled=True)

    @app.exception_handler(RateLimitExceeded)
    def refuse(request, exc):
        response = JSONResponse({"wait": exc.limit.limit.get_expiry(), "said": exc.detail}, status_code=429)
        return request.app.state.limiter._inject_headers(response, request.state.view_rate_limit)

    @app.get("/")
    @limiter.limit("1/hour", error_message="slowly, please")
    def root(request: Request):
        return {}

    client = TestClient(app)
    client.get("/")
    denied = client.get("/")
    assert denied.json() == {"wait": 3600, "said": "slowly, please"}
    assert (denied.headers["X-RateLimit-Limit"], denied.headers["Retry-After"]) == ("1", "3600")


def test_an_error_message_may_be_a_function(build):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("0/hour", error_message=lambda: "made up")
    def root(request: Request):
        return {}

    assert TestClient(app).get("/").json() == {"error": "Rate limit exceeded: made up"}
    with pytest.raises(TypeError, match="async"):

        async def message():
            return "never"

        limiter.limit("1/hour", error_message=message)


def test_without_a_handler_fastapi_answers_429(build):
    app, limiter = build()
    del app.exception_handlers[RateLimitExceeded]

    @app.get("/")
    @limiter.limit("0/minute")
    def root(request: Request):
        return {}

    denied = TestClient(app).get("/")
    assert (denied.status_code, denied.json()) == (429, {"detail": "0 per 1 minute"})


def test_a_state_that_a_handler_finds_empty_gives_no_headers(build):
    app, limiter = build(headers_enabled=True)

    @app.get("/")
    def root(request: Request):
        request.state.view_rate_limit = None
        response = JSONResponse({})
        assert limiter._inject_headers(response, request.state.view_rate_limit) is response
        return response

    assert "X-RateLimit-Limit" not in TestClient(app).get("/").headers


@pytest.mark.parametrize("awaits", [True, False])
def test_middleware_of_ones_own_can_check_awaiting_or_not(build, awaits):
    app, limiter = build(default_limits=["1/minute"], middleware=None)

    @app.middleware("http")
    async def check(request, call_next):
        try:
            checked = limiter._check_request_limit(request, None, True)
            if awaits:
                await checked
        except RateLimitExceeded as exceeded:
            return JSONResponse({"error": exceeded.detail}, status_code=429)
        return await call_next(request)

    @app.get("/")
    def root():
        return {}

    client = TestClient(app)
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]


def test_a_check_by_hand_leaves_endpoints_with_a_decorator_to_it(build):
    app, limiter = build(default_limits=["1/minute"], middleware=None)

    @app.get("/")
    @limiter.limit("2/minute")
    def root(request: Request):
        return {}

    @app.middleware("http")
    async def check(request, call_next):
        limiter._check_request_limit(request, root, True)
        return await call_next(request)

    client = TestClient(app)
    assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]


def test_the_handler_needs_no_limiter_of_the_app(build):
    app, limiter = build(headers_enabled=True, middleware=None)
    del app.state.limiter

    @app.get("/")
    @limiter.limit("0/minute")
    def root(request: Request):
        return {}

    assert TestClient(app).get("/").headers["X-RateLimit-Limit"] == "0"


def test_the_storage_forgets_and_counts_by_the_keys_of_slowapi(build, statuses):
    app, limiter = build(key_prefix="mine")

    @app.get("/items/{item}")
    @limiter.limit("2/minute")
    def item(request: Request, item: str):
        return item

    account = "LIMITER/mine/203.0.113.7//items/a/2/1/minute"
    assert statuses(app, "/items/a", 4) == [200, 200, 429, 429]
    assert limiter._storage.get(account) == 4, "denied hits are told"
    limiter._storage.reset()
    assert limiter._storage.get(account) == 0
    assert statuses(app, "/items/a", 3) == [200, 200, 429], "and were not charged"
    limiter._storage.clear(account)
    assert statuses(app, "/items/a") == [200]
    limiter.reset()
    assert statuses(app, "/items/a", 3) == [200, 200, 429]
    assert limiter._storage.check()
    assert limiter._storage.get("no account of ours") == 0


def test_denied_hits_are_told_until_their_window_is_over(build, statuses):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("1/minute")
    def root(request: Request):
        return {}

    account = "LIMITER/203.0.113.7///1/1/minute"
    with hiro.Timeline().freeze() as timeline:
        assert statuses(app, "/", 3) == [200, 429, 429]
        assert limiter._storage.get(account) == 3
        assert limiter._storage.get_expiry(account) - int(time.time()) in (60, 61)
        timeline.forward(60)
        assert limiter._storage.get(account) == 0
        assert statuses(app, "/", 2) == [200, 429]
        assert limiter._storage.get(account) == 2


def test_the_storage_may_be_awaited(build):
    async def ask():
        _, limiter = build(storage_uri="async+memory://")
        await limiter._storage.reset()
        return await limiter._storage.get("LIMITER/a//b/1/1/minute")

    import asyncio

    assert asyncio.run(ask()) == 0


def test_accounts_can_be_hit_and_tested_by_hand():
    limiter = Limiter(get_remote_address)
    (minute,) = (limit.limit for limit in LimitGroup("2/minute", get_remote_address, None, False, None, None, None, 1, True))
    assert [limiter.limiter.hit(minute, "alice", "/") for _ in range(3)] == [True, True, False]
    assert not limiter.limiter.test(minute, "alice", "/")
    assert limiter.limiter.test(minute, "bob", "/", cost=2)
    assert not limiter.limiter.test(minute, "bob", "/", cost=3)
    assert limiter.limiter.get_window_stats(minute, "alice", "/").remaining == 0
    limiter.limiter.clear(minute, "alice", "/")
    assert limiter.limiter.get_window_stats(minute, "alice", "/").remaining == 2


def test_an_account_that_was_hit_by_hand_is_the_endpoints(build, statuses):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("1/minute")
    def root(request: Request):
        return {}

    (limit,) = LimitGroup("1/minute", get_remote_address, None, False, None, None, None, 1, True)
    limiter.limiter.hit(limit.limit, "203.0.113.7", "/")
    assert statuses(app, "/") == [429]


def test_a_limiter_can_be_switched_off_and_on(build, statuses):
    app, limiter = build(default_limits=["0/minute"])

    @app.get("/decorated")
    @limiter.limit("0/minute")
    async def decorated(request: Request):
        return {}

    @app.get("/plain")
    async def plain():
        return {}

    limiter.enabled = False
    assert statuses(app, "/decorated") + statuses(app, "/plain") == [200, 200]
    limiter.enabled = True
    assert statuses(app, "/decorated") + statuses(app, "/plain") == [429, 429]


def test_startup_makes_it_the_apps_limiter():
    from fastapi import FastAPI

    app, limiter = FastAPI(), Limiter(get_remote_address)
    limiter.slowapi_startup(app)
    assert app.state.limiter is limiter
    assert RateLimitExceeded in app.exception_handlers
