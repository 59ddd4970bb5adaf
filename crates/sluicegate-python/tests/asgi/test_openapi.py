"""The description of an app: each limited endpoint has its 429, and no other."""

import functools

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from sluicegate import Limiter
from sluicegate.fastapi import RateLimit, RateLimitExceeded, RateLimitMiddleware
from sluicegate.fastapi_limiter import FastAPILimiter
from sluicegate.fastapi_limiter.depends import RateLimiter, WebSocketRateLimiter
from sluicegate.slowapi import Limiter as SlowAPI
from sluicegate.slowapi import _rate_limit_exceeded_handler
from sluicegate.slowapi.errors import RateLimitExceeded as SlowAPIExceeded
from sluicegate.slowapi.middleware import SlowAPIASGIMiddleware, SlowAPIMiddleware
from sluicegate.slowapi.util import get_remote_address


def described(app):
    """The 429 of each operation: `{"GET /x": {…}}`; None where there is none."""
    paths = app.openapi()["paths"]
    return {
        f"{method.upper()} {path}": operation["responses"].get("429")
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def fits(document, schema):
    """Returns `True` if a document fits a schema, with nothing beside the schema's names."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    if "type" in schema and not isinstance(document, kinds[schema["type"]]):
        return False
    if "properties" in schema:
        named = set(schema["required"]) <= set(document) <= set(schema["properties"])
        return named and all(fits(document[name], schema["properties"][name]) for name in document)
    return all(fits(item, schema["items"]) for item in document) if "items" in schema else True


def limited_somewhere(place, limit):
    """An app with `/x` limited at a place, and `/free` beside it where that can be."""
    depends = [Depends(limit)]
    app = FastAPI(dependencies=depends if place == "app" else [])
    router = APIRouter(prefix="/v1", dependencies=depends if place == "router" else [])
    endpoint = lambda: {}
    if place in ("decorator", "decorator under another"):
        endpoint = limit(endpoint)
    if place == "decorator under another":
        inner = endpoint

        @functools.wraps(inner)
        async def endpoint(*args, **kwargs):
            return await inner(*args, **kwargs)

    if place == "inner dependency":

        async def user(given=Depends(limit)):
            return given

        depends = [Depends(user)]
    router.get("/x", dependencies=depends if place in ("route", "inner dependency") else [])(endpoint)
    app.include_router(router, dependencies=depends if place == "inclusion" else [])
    app.get("/free")(lambda: {})
    return app


PLACES = ["route", "router", "inclusion", "app", "decorator", "decorator under another", "inner dependency"]


@pytest.mark.parametrize("place", PLACES)
def test_a_limit_is_described_wherever_it_stands(limiter, ask, place):
    app = limited_somewhere(place, RateLimit("1/minute", limiter=limiter))
    told = described(app)
    assert (told["GET /free"] is None) == (place != "app")
    assert set(told["GET /v1/x"]["headers"]) == {"Retry-After", "RateLimit", "RateLimit-Policy"}
    client = ask(app)
    assert client.get("/openapi.json").json()["paths"]["/v1/x"]["get"]["responses"]["429"] == told["GET /v1/x"]
    client.get("/v1/x")
    denied = client.get("/v1/x")
    [(kind, content)] = told["GET /v1/x"]["content"].items()
    assert denied.headers["content-type"] == kind
    assert fits(denied.json(), content["schema"])
    assert all(name in denied.headers for name in told["GET /v1/x"]["headers"])


def test_what_an_endpoint_says_of_its_429_stands(limiter):
    app = FastAPI()
    for path, responses in (("/a", {429: {"description": "mine"}}), ("/b", {"4XX": {"description": "mine"}})):
        app.get(path, responses=responses, dependencies=[Depends(RateLimit("1/minute", limiter=limiter))])(lambda: {})
    told = described(app)
    assert told["GET /a"]["description"] == "mine"
    assert told["GET /b"] is None


def test_a_limit_that_denies_nobody_is_not_described(limiter):
    assert described(limited_somewhere("route", RateLimit("1/minute", limiter=limiter, mode="shadow")))["GET /v1/x"] is None


@pytest.mark.parametrize("kind", [429, RateLimitExceeded])
def test_the_body_of_a_handler_of_the_apps_own_is_its_own_matter(limiter, kind):
    app = limited_somewhere("route", RateLimit("1/minute", limiter=limiter))
    app.add_exception_handler(kind, lambda request, raised: JSONResponse({}, 429))
    told = described(app)["GET /v1/x"]
    assert "content" not in told
    assert "Retry-After" in told["headers"]


def test_routes_that_are_added_later_are_described_too(limiter):
    app = FastAPI()
    assert described(app) == {}
    app.openapi_schema = None
    app.get("/x", dependencies=[Depends(RateLimit("1/minute", limiter=limiter))])(lambda: {})
    assert described(app)["GET /x"] is not None


@pytest.mark.parametrize("way", ["policy", "limiter", "file"])
def test_the_middleware_describes_what_its_policy_limits(tmp_path, way):
    policy = {
        "route": [
            {"path": "/models/{model}", "methods": ["POST"], "limits": ["1/minute"]},
            {"path": "/shadow", "limits": [{"quota": "1/minute", "mode": "shadow"}]},
        ]
    }
    file = tmp_path / "sluicegate.toml"
    file.write_text('[[route]]\npath = "/models/{model}"\nmethods = ["POST"]\nlimits = ["1/minute"]\n')
    given = {"policy": {"policy": policy}, "limiter": {"limiter": Limiter(policy=policy)}, "file": {"policy": file}}[way]
    app = FastAPI()
    app.add_middleware(RateLimitMiddleware, **given)
    app.api_route("/models/{name}", methods=["GET", "POST"])(lambda name: {})
    app.get("/shadow")(lambda: {})
    told = described(app)
    assert [name for name, response in told.items() if response] == ["POST /models/{name}"]
    assert "application/problem+json" in told["POST /models/{name}"]["content"]


@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("way", ["decorator", SlowAPIMiddleware, SlowAPIASGIMiddleware])
def test_the_drop_in_for_slowapi_describes_its_own(ask, way, headers):
    defaults = [] if way == "decorator" else ["1/minute"]
    limiter = SlowAPI(get_remote_address, default_limits=defaults, headers_enabled=headers)
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(SlowAPIExceeded, _rate_limit_exceeded_handler)

    async def x(request: Request):
        return {}

    async def free(request: Request):
        return {}

    if way == "decorator":
        x = limiter.limit("1/minute")(x)
    else:
        app.add_middleware(way)
    app.get("/x")(x)
    app.get("/free")(limiter.exempt(free))
    told = described(app)
    assert told["GET /free"] is None
    assert set(told["GET /x"].get("headers", ())) == ({"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"} if headers else set())
    client = ask(app)
    client.get("/x")
    denied = client.get("/x")
    assert denied.status_code == 429
    assert all(name in denied.headers for name in told["GET /x"].get("headers", ()))
    assert fits(denied.json(), told["GET /x"]["content"]["application/json"]["schema"])


@pytest.mark.parametrize("callback", [None, lambda request, response, pexpire: None], ids=["default", "own"])
def test_the_drop_in_for_fastapi_limiter_describes_its_own(callback):
    app = FastAPI()
    app.get("/x", dependencies=[Depends(RateLimiter(times=1, minutes=1, callback=callback))])(lambda: {})
    app.get("/free")(lambda: {})
    told = described(app)
    assert told["GET /free"] is None
    assert ("content" in told["GET /x"]) == (callback is None)
    assert ("Retry-After" in told["GET /x"].get("headers", ())) == (callback is None)
    assert WebSocketRateLimiter.describe_429 is None
    assert FastAPILimiter.redis is None


def test_an_app_that_describes_itself_is_left_alone(limiter):
    class Own(FastAPI):
        def openapi(self):
            return {"paths": {}}

    app = Own()
    app.get("/x", dependencies=[Depends(RateLimit("1/minute", limiter=limiter))])(lambda: {})
    assert app.openapi() == {"paths": {}}
