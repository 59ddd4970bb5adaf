"""Effects of decorators on endpoints of all kinds."""

import functools
import importlib.util
import inspect

import fastapi
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sluicegate.slowapi import Limiter
from sluicegate.slowapi.util import get_remote_address

GENERATORS = tuple(map(int, fastapi.__version__.split(".")[:2])) >= (0, 137)


@pytest.mark.parametrize("sync", [True, False])
def test_an_endpoint_needs_no_request_where_it_may_be_hidden(build, statuses, sync):
    app, limiter = build(request_parameter="optional", headers_enabled=True)
    if sync:

        @app.get("/{name}")
        @limiter.limit("1/minute")
        def root(name: str, **others):
            return name

    else:

        @app.get("/{name}")
        @limiter.limit("1/minute")
        async def root(name: str):
            return name

    answer = TestClient(app).get("/a?others=1")
    assert (answer.json(), answer.headers["X-RateLimit-Remaining"]) == ("a", "0")
    assert "sluicegate" not in str(app.openapi())
    assert statuses(app, "/b?others=1", 2) == [200, 429]


@pytest.mark.parametrize("sync", [True, False])
def test_an_endpoint_without_a_request_is_an_error_that_says_the_way_out(sync):
    limiter = Limiter(get_remote_address)

    def plain():
        return {}

    async def waiting():
        return {}

    with pytest.raises(TypeError, match='^No "request" or "websocket" argument on function .*request_parameter="optional"'):
        limiter.limit("1/minute")(plain if sync else waiting)


def test_a_request_may_have_any_name_and_a_body_may_be_called_request(build, statuses):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("1/minute")
    async def root(connection: Request, request: str = "mine"):
        return request

    assert statuses(app, "/", 2) == [200, 429]
    assert TestClient(app).get("/").json() == "mine"


def test_an_endpoint_needs_no_response_for_its_headers(build):
    app, limiter = build(headers_enabled=True)

    @app.get("/")
    @limiter.limit("5/minute")
    async def root(request: Request):
        return {"a": 1}

    answer = TestClient(app).get("/")
    assert (answer.json(), answer.headers["X-RateLimit-Limit"]) == ({"a": 1}, "5")


def test_a_response_of_the_endpoints_own_keeps_what_it_set(build):
    app, limiter = build(headers_enabled=True)

    @app.get("/")
    @limiter.limit("5/minute")
    def root(request: Request, answer: Response):
        answer.headers["X-Mine"] = "1"
        answer.status_code = 201
        return {}

    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.headers["X-Mine"], answer.headers["X-RateLimit-Limit"]) == (201, "1", "5")


def test_nothing_is_hidden_from_an_endpoint_that_has_all():
    limiter = Limiter(get_remote_address, headers_enabled=True, request_parameter="optional")

    @limiter.limit("5/minute")
    async def both(request: Request, response: Response):
        return {}

    @limiter.limit("5/minute")
    async def answers(request: Request) -> PlainTextResponse:
        return PlainTextResponse("here")

    assert list(inspect.signature(both).parameters) == ["request", "response"]
    assert list(inspect.signature(answers).parameters) == ["request"]


def test_annotations_that_are_texts_are_read_where_the_endpoint_is(build, tmp_path):
    (tmp_path / "written.py").write_text(
        "from __future__ import annotations\n"
        "from fastapi import Request\n"
        "from pydantic import BaseModel\n"
        "class Prompt(BaseModel):\n"
        "    text: str\n"
        "async def predict(asked: Request, prompt: Prompt) -> dict:\n"
        "    return {'length': len(prompt.text)}\n"
    )
    spec = importlib.util.spec_from_file_location("written", tmp_path / "written.py")
    written = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(written)
    app, limiter = build(headers_enabled=True)
    app.post("/")(limiter.limit("1/minute")(written.predict))
    client = TestClient(app)
    answers = [client.post("/", json={"text": "four"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[0].json() == {"length": 4}


def test_a_decorator_above_the_route_works_through_the_middleware(build, statuses):
    app, limiter = build(default_limits=["9/minute"])

    @limiter.limit("5/minute")
    @limiter.limit("1/minute")
    @app.get("/")
    async def root(request: Request):
        return {}

    assert statuses(app, "/", 2) == [200, 429]


def test_decorators_on_one_endpoint_hold_together(build, statuses):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("3/minute")
    @limiter.limit("2/hour")
    async def root(request: Request):
        return {}

    assert statuses(app, "/", 3) == [200, 200, 429]
    assert limiter._storage.get("LIMITER/203.0.113.7///3/1/minute") == 2


def test_a_decorator_around_another_one_is_checked_before_it(build, statuses):
    app, limiter = build()
    seen = []

    def watched(function):
        @functools.wraps(function)
        async def inner(*args, **kwargs):
            seen.append(1)
            return await function(*args, **kwargs)

        return inner

    @app.get("/")
    @limiter.limit("1/minute")
    @watched
    @limiter.limit("9/minute")
    async def root(request: Request):
        return {}

    assert statuses(app, "/", 3) == [200, 429, 429]
    assert len(seen) == 1


def test_limiters_on_one_endpoint_are_all_asked(build, statuses):
    app, limiter = build()
    other = Limiter(lambda: "everybody")

    @app.get("/")
    @limiter.limit("9/minute")
    @other.limit("1/minute")
    async def root(request: Request):
        return {}

    assert statuses(app, "/", 2) == [200, 429]


def test_a_limiter_that_is_not_asked_first_is_asked_once(build, statuses):
    app, limiter = build(default_limits=["1/minute"])
    other = Limiter(lambda: "everybody")

    @app.get("/")
    @other.limit("9/minute")
    @limiter.limit("9/minute")
    @other.limit("8/minute")
    async def root(request: Request):
        return {}

    assert statuses(app, "/", 2) == [200, 200], "its default limits are not for an endpoint that it limits"
    assert other._storage.get("LIMITER/everybody///9/1/minute") == other._storage.get("LIMITER/everybody///8/1/minute") == 2
    assert limiter._storage.get("LIMITER/203.0.113.7///9/1/minute") == 2


def test_a_limiter_has_no_regard_for_the_decorators_of_another(build, statuses):
    app, _ = build(default_limits=["1/minute"])

    @app.get("/")
    @Limiter(get_remote_address).limit("9/minute")
    async def root(request: Request):
        return {}

    assert statuses(app, "/", 2) == [200, 429]


def test_functions_of_one_name_have_limits_of_their_own(build, statuses):
    app, limiter = build()

    def add(path, limit):
        @app.get(path)
        @limiter.limit(limit)
        def endpoint(request: Request):
            return {}

    add("/a", "3/minute")
    add("/b", "1/minute")
    assert statuses(app, "/a", 4) == [200, 200, 200, 429]
    assert statuses(app, "/b", 2) == [200, 429]


def test_functions_of_one_name_in_two_classes_have_accounts_of_their_own(build, statuses):
    app, limiter = build(key_style="endpoint", middleware=None)

    class First(HTTPEndpoint):
        @limiter.limit("1/minute")
        async def get(self, request: Request):
            return PlainTextResponse("first")

    class Second(HTTPEndpoint):
        @limiter.limit("1/minute")
        async def get(self, request: Request):
            return PlainTextResponse("second")

    app.add_route("/first", First)
    app.add_route("/second", Second)
    assert statuses(app, "/first", 2) + statuses(app, "/second", 2) == [200, 429, 200, 429]


def test_a_class_of_functions_is_limited_by_their_decorators_alone(build, statuses):
    app, limiter = build(default_limits=["1/minute"])

    class View(HTTPEndpoint):
        @limiter.limit("2/minute")
        def get(self, request: Request):
            return PlainTextResponse("got")

        def post(self, request: Request):
            return PlainTextResponse("posted")

    app.add_route("/", View)
    client = TestClient(app)
    assert statuses(app, "/", 3) == [200, 200, 429]
    assert [client.head("/").status_code for _ in range(3)] == [200, 200, 429]
    assert [client.post("/").status_code for _ in range(2)] == [200, 429]


def test_head_and_options_are_counted_as_their_function_is(build):
    app, limiter = build(middleware=None)

    @limiter.limit("1/minute")
    async def root(request: Request):
        return PlainTextResponse("here")

    app.router.routes.append(Route("/", root, methods=["GET", "OPTIONS"]))
    client = TestClient(app)
    assert client.head("/").status_code == 200
    assert client.get("/").status_code == 429
    assert client.options("/").status_code == 429


def test_a_plain_starlette_app_is_limited(build, statuses):
    app, limiter = build(app=Starlette(), middleware=None, headers_enabled=True)

    @limiter.limit("1/minute")
    def root(request):
        return PlainTextResponse("here")

    app.add_route("/", root)
    assert statuses(app, "/", 2) == [200, 429]


@pytest.mark.skipif(not GENERATORS, reason="this FastAPI streams no generators")
@pytest.mark.parametrize("sync", [True, False])
def test_an_endpoint_that_is_a_generator_is_denied_before_it_answers(build, sync):
    app, limiter = build(headers_enabled=True, request_parameter="optional")
    if sync:

        @app.get("/")
        @limiter.limit("1/minute")
        def words():
            yield {"word": "one"}
            yield {"word": "two"}

    else:

        @app.get("/")
        @limiter.limit("1/minute")
        async def words(request: Request):
            yield {"word": "one"}
            yield {"word": "two"}

    client = TestClient(app)
    answer = client.get("/")
    assert answer.text.split() == ['{"word":"one"}', '{"word":"two"}'] or answer.text.count("word") == 2
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert client.get("/").status_code == 429


def test_what_is_no_request_is_an_error_of_the_endpoint(build):
    app, limiter = build(headers_enabled=True)

    @app.get("/request")
    @limiter.limit("5/minute")
    async def no_request(request: str = None):
        return {}

    @app.get("/response")
    @limiter.limit("5/minute")
    def no_response(request: Request, response: str = None):
        return {}

    client = TestClient(app)
    with pytest.raises(TypeError, match="parameter `request` must be an instance of starlette.requests.Request"):
        client.get("/request")
    with pytest.raises(TypeError, match="parameter `response` must be an instance of starlette.responses.Response"):
        client.get("/response")


def test_endpoints_of_included_and_mounted_apps_are_limited(build, statuses):
    app, limiter = build()
    router, sub = APIRouter(prefix="/in"), FastAPI()

    @router.get("/a/{item}")
    @limiter.limit("1/minute")
    async def included(request: Request, item: int):
        return item

    @sub.get("/b")
    @limiter.limit("1/minute")
    def mounted(request: Request):
        return {}

    app.include_router(router)
    app.include_router(router, prefix="/v2")
    app.mount("/sub", sub)
    assert statuses(app, "/in/a/1", 2) == [200, 429]
    assert statuses(app, "/v2/in/a/1", 2) == [200, 429]
    assert statuses(app, "/sub/b", 2) == [200, 429]
