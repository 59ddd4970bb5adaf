"""Members of `Limiter` that apps override, and tests patch: each holds as in slowapi 0.1.10, in decorators and in both middlewares."""

from unittest.mock import patch

import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient

from sluicegate.slowapi import Limiter, _rate_limit_exceeded_handler
from sluicegate.slowapi.errors import RateLimitExceeded
from sluicegate.slowapi.extension import Limiter as ExtensionsLimiter
from sluicegate.slowapi.middleware import SlowAPIASGIMiddleware, SlowAPIMiddleware
from sluicegate.slowapi.util import get_remote_address

both_middlewares = pytest.mark.parametrize("middleware", [SlowAPIASGIMiddleware, SlowAPIMiddleware])


def app_of(limiter, middleware=SlowAPIASGIMiddleware):
    """An app with a decorated endpoint of each kind, and one that only the middleware limits."""
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    app.add_middleware(middleware)

    @app.get("/async")
    @limiter.limit("2/minute")
    async def waits(request: Request):
        return {}

    @app.get("/sync")
    @limiter.limit("2/minute")
    def threads(request: Request):
        return Response("{}")

    @app.get("/default")
    async def default():
        return {}

    return app


def limiter_of(kind=Limiter, **settings):
    return kind(get_remote_address, **{"default_limits": ["2/minute"], **settings})


def asked(app, path, times):
    client = TestClient(app)
    return [client.get(path).status_code for _ in range(times)]


every_path = pytest.mark.parametrize("path", ["/async", "/sync", "/default"])


@both_middlewares
@every_path
def test_a_check_that_a_subclass_adds_is_made(middleware, path):
    seen = []

    class Checking(Limiter):
        def _check_request_limit(self, request, endpoint_func, in_middleware=True):
            seen.append((endpoint_func.__name__, in_middleware))
            if request.headers.get("x-plan") == "none":
                raise HTTPException(402, "no plan")
            super()._check_request_limit(request, endpoint_func, in_middleware)

    app = app_of(limiter_of(Checking), middleware)
    app.add_exception_handler(HTTPException, lambda request, raised: Response(status_code=raised.status_code))
    client = TestClient(app)

    assert client.get(path, headers={"x-plan": "none"}).status_code == 402
    assert asked(app, path, 3) == [200, 200, 429]
    name = {"/async": "waits", "/sync": "threads", "/default": "default"}[path]
    assert seen == [(name, path == "/default")] * 4


def quiet(self, request, endpoint_func, in_middleware=True):
    request.state.view_rate_limit = None


async def quiet_async(*arguments, **named): ...


@every_path
@pytest.mark.parametrize("stand_in", [quiet, quiet_async], ids=["sync", "async"])
def test_a_check_that_a_test_patches_is_the_one_that_is_made(path, stand_in, monkeypatch):
    limiter = limiter_of()
    app = app_of(limiter)

    with patch.object(Limiter, "_check_request_limit", stand_in):
        assert asked(app, path, 5) == [200] * 5
    with patch.object(limiter, "_check_request_limit", stand_in.__get__(limiter)):
        assert asked(app, path, 5) == [200] * 5
    monkeypatch.setattr(ExtensionsLimiter, "_check_request_limit", stand_in)
    assert asked(app, path, 5) == [200] * 5
    monkeypatch.undo()
    assert asked(app, path, 3) == [200, 200, 429]


@every_path
def test_a_check_that_denies_by_itself_is_answered_by_the_apps_handler(path):
    class Denying(Limiter):
        def _check_request_limit(self, request, endpoint_func, in_middleware=True):
            [limit] = self._default_limits[0].fixed
            raise RateLimitExceeded(limit)

    answer = TestClient(app_of(limiter_of(Denying))).get(path)
    assert (answer.status_code, answer.json()) == (429, {"error": "Rate limit exceeded: 2 per 1 minute"})


@every_path
def test_limits_are_evaluated_by_what_stands_in_the_place_of_slowapis(path):
    limiter = limiter_of()
    app = app_of(limiter)
    evaluated = []

    def none(request, endpoint, limits):
        evaluated.append((endpoint, [str(limit.limit) for limit in limits]))
        request.state.view_rate_limit = None

    with patch.object(limiter, "_Limiter__evaluate_limits", none):
        assert asked(app, path, 4) == [200] * 4
    assert evaluated == [(path, ["2 per 1 minute"])] * 4
    assert asked(app, path, 3) == [200, 200, 429]


def test_limits_are_evaluated_by_hand_as_in_slowapi():
    limiter = limiter_of(default_limits=[])
    app = app_of(limiter)

    @app.get("/by-hand")
    async def by_hand(request: Request):
        limiter._Limiter__evaluate_limits(request, "place", list(limiter._route_limits[f"{__name__}.waits"]))

    assert asked(app, "/by-hand", 3) == [200, 200, 429]


@both_middlewares
@every_path
@pytest.mark.parametrize("headers_enabled", [True, False])
def test_headers_are_set_by_what_stands_in_the_place_of_ours(middleware, path, headers_enabled):
    class Telling(Limiter):
        def _inject_headers(self, response, current_limit):
            response = super()._inject_headers(response, current_limit)
            response.headers["x-told"] = str(current_limit[0])
            return response

        def _inject_asgi_headers(self, headers, current_limit):
            headers = super()._inject_asgi_headers(headers, current_limit)
            headers["x-told"] = str(current_limit[0])
            return headers

    client = TestClient(app_of(limiter_of(Telling, headers_enabled=headers_enabled), middleware))
    for status in (200, 200, 429):
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get("x-told")) == (status, "2 per 1 minute")
        assert ("x-ratelimit-limit" in answer.headers) is headers_enabled


def test_limits_that_are_cleared_hold_no_longer_and_hold_again_when_they_are_put_back():
    limiter = limiter_of(default_limits=["4/minute"])
    app = app_of(limiter)

    @app.get("/dynamic")
    @limiter.limit(lambda: "1/minute")
    async def dynamic(request: Request): ...

    saved, saved_dynamic = dict(limiter._route_limits), dict(limiter._dynamic_route_limits)
    limiter._route_limits.clear()
    limiter._dynamic_route_limits.clear()
    limiter._Limiter__marked_for_limiting.clear()
    for path in ("/async", "/sync", "/dynamic"):
        # Default limits take their place.
        assert asked(app, path, 5) == [200] * 4 + [429]
    limiter.reset()
    limiter._route_limits.update(saved)
    limiter._dynamic_route_limits.update(saved_dynamic)
    assert asked(app, "/async", 3) == [200, 200, 429]
    assert asked(app, "/dynamic", 2) == [200, 429]
    limiter._route_limits = {}
    limiter.reset()
    assert asked(app, "/async", 5) == [200] * 4 + [429]


def test_an_app_that_is_made_again_keeps_its_limits_with_and_without_clearing():
    limiter = limiter_of(default_limits=[])
    for clears in (False, True):
        if clears:
            limiter._route_limits.clear()
        limiter.reset()
        app = app_of(limiter)
        assert asked(app, "/async", 3) == [200, 200, 429]


def test_limits_that_are_put_into_the_lists_hold():
    limiter = limiter_of(default_limits=[])
    app = app_of(limiter)
    [limit] = limiter._route_limits[f"{__name__}.waits"]
    other = limiter_of(default_limits=["1/minute"])._default_limits[0]

    limiter._route_limits[f"{__name__}.waits"] = [*other.fixed]
    assert asked(app, "/async", 2) == [200, 429]
    limiter._route_limits[f"{__name__}.waits"].append(limit)
    limiter._route_limits[f"{__name__}.waits"].remove(other.fixed[0])
    limiter.reset()
    assert asked(app, "/async", 3) == [200, 200, 429]


def test_members_of_a_limit_that_are_changed_hold():
    limiter = limiter_of(default_limits=[])
    app = app_of(limiter)
    client = TestClient(app)
    [limit] = limiter._route_limits[f"{__name__}.waits"]

    limit.key_func = lambda request: request.headers["x-user"]
    assert [client.get("/async", headers={"x-user": user}).status_code for user in "aabbab"] == [200] * 4 + [429] * 2
    limit.limit = next(iter(limiter_of(default_limits=["5/minute"])._default_limits[0])).limit
    assert [client.get("/async", headers={"x-user": "c"}).status_code for _ in range(6)] == [200] * 5 + [429]
    limit.cost = 5
    assert [client.get("/async", headers={"x-user": "d"}).status_code for _ in range(2)] == [200, 429]
    limit.exempt_when = lambda: True
    assert client.get("/async", headers={"x-user": "d"}).status_code == 200


@pytest.mark.parametrize("name", ["_default_limits", "_application_limits"])
@pytest.mark.parametrize("given", [["1/minute"], "1/minute", ["1/minute", "1/minute"]])
def test_limits_of_the_limiter_may_be_replaced_by_texts(name, given):
    limiter = limiter_of(default_limits=["3/minute"])
    app = app_of(limiter)
    setattr(limiter, name, given)

    assert asked(app, "/default", 2) == [200, 429]
    with pytest.raises(ValueError, match="cannot read the limit"):
        setattr(limiter, name, ["often"])


def test_limits_of_the_limiter_may_be_cleared_and_replaced_by_groups():
    limiter = limiter_of()
    app = app_of(limiter)
    limiter._default_limits.clear()
    assert asked(app, "/default", 4) == [200] * 4
    limiter._default_limits = limiter_of(default_limits=["1/minute"])._default_limits
    assert asked(app, "/default", 2) == [200, 429]
    limiter._default_limits[0].cost = 2
    limiter._default_limits[0].key_function = lambda: "somebody else"
    assert asked(app, "/default", 1) == [429]


def test_a_prefix_that_is_changed_holds():
    limiter = limiter_of()
    app = app_of(limiter)
    assert asked(app, "/default", 3) == [200, 200, 429]
    limiter._key_prefix = "other"
    assert asked(app, "/default", 3) == [200, 200, 429]


@every_path
def test_another_limiters_storage_keeps_the_accounts(path):
    limiter, other = limiter_of(), limiter_of(strategy="moving-window")
    app = app_of(limiter)
    saved = {"_storage": limiter._storage, "_limiter": limiter._limiter}
    assert asked(app, path, 3) == [200, 200, 429]

    limiter._storage, limiter._limiter = other._storage, other._limiter
    assert asked(app, path, 3) == [200, 200, 429]
    limiter._storage = limiter_of()._storage
    assert asked(app, path, 3) == [200, 200, 429]
    for name, value in saved.items():
        setattr(limiter, name, value)
    assert asked(app, path, 1) == [429]


@every_path
@pytest.mark.parametrize("strategy", ["fixed-window", "moving-window", "sliding-window-counter"])
def test_a_storage_of_the_package_limits_keeps_the_accounts(path, strategy):
    storages = pytest.importorskip("limits.storage", reason="looked at once, with the newest stack")
    limiter = limiter_of(strategy=strategy, headers_enabled=True)
    app = app_of(limiter)
    assert asked(app, path, 3) == [200, 200, 429]

    for _ in range(2):
        limiter._storage = storages.MemoryStorage()
        assert asked(app, path, 3) == [200, 200, 429]
    limiter.reset()
    client = TestClient(app)
    assert [client.get(path).headers["x-ratelimit-remaining"] for _ in range(3)] == ["1", "0", "0"]


def test_a_limit_of_the_package_limits_holds():
    limits = pytest.importorskip("limits", reason="looked at once, with the newest stack")
    limiter = limiter_of(default_limits=[])
    app = app_of(limiter)
    limiter._route_limits[f"{__name__}.waits"][0].limit = limits.parse("1/minute")
    assert asked(app, "/async", 2) == [200, 429]


def test_an_async_storage_of_the_package_limits_keeps_the_accounts():
    storages = pytest.importorskip("limits.aio.storage", reason="looked at once, with the newest stack")
    limiter = limiter_of()
    limiter._storage = storages.MemoryStorage()
    for path in ("/async", "/default"):
        assert asked(app_of(limiter), path, 3) == [200, 200, 429]


@pytest.mark.parametrize("given", [object(), None, {}, "memory://"])
def test_what_keeps_no_accounts_and_what_decides_nothing_is_refused_where_it_is_set(given):
    limiter = limiter_of()
    with pytest.raises(TypeError, match=r"no storage of a .*Limiter, nor of the package limits.*_limiter"):
        limiter._storage = given
    with pytest.raises(TypeError, match="decides nothing: it has no method hit"):
        limiter._limiter = given
    assert asked(app_of(limiter), "/default", 3) == [200, 200, 429]


@every_path
def test_a_hit_that_a_test_patches_decides(path, monkeypatch):
    limiter = limiter_of()
    app = app_of(limiter)
    hits = []

    def refuse(item, *identifiers, cost=1):
        hits.append((str(item), identifiers, cost))
        return False

    with patch.object(limiter.limiter, "hit", refuse):
        assert asked(app, path, 1) == [429]
    assert hits == [("2 per 1 minute", ("testclient", path), 1)]
    monkeypatch.setattr(type(limiter.limiter), "hit", lambda self, *identifiers, cost=1: True)
    assert asked(app, path, 5) == [200] * 5
    monkeypatch.undo()
    assert asked(app, path, 3) == [200, 200, 429]


@every_path
@pytest.mark.parametrize(("settings", "statuses"), [({}, None), ({"swallow_errors": True}, [200] * 3)])
def test_a_hit_that_fails_fails_the_request_or_is_swallowed(path, settings, statuses):
    limiter = limiter_of(**settings)
    app = app_of(limiter)
    with patch.object(limiter.limiter, "hit", side_effect=ConnectionError("gone")):
        if statuses is None:
            with pytest.raises(ConnectionError, match="gone"):
                asked(app, path, 1)
        else:
            assert asked(app, path, 3) == statuses


@every_path
@pytest.mark.parametrize("fallback", [["1/minute"], []])
def test_a_hit_that_fails_leaves_the_decision_to_memory(path, fallback):
    limiter = limiter_of(in_memory_fallback=fallback, in_memory_fallback_enabled=True)
    app = app_of(limiter)
    with patch.object(limiter.limiter, "hit", side_effect=ConnectionError("gone")):
        assert asked(app, path, 3) == ([200, 429, 429] if fallback else [200, 200, 429])
        assert limiter._storage_dead
    assert asked(app, path, 1) == [200]
    assert not limiter._storage_dead
