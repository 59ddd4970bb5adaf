"""A `RateLimit` as the decorator of an endpoint, of FastAPI's and of Starlette's."""

import asyncio

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from sluicegate.fastapi import RateLimit

@pytest.fixture
def limit(limiter):
    """A limit on the test's clock: `Depends(limit("1/minute"))`."""
    return lambda *quotas, **settings: RateLimit(*quotas, limiter=limiter, **settings)


def test_an_endpoint_of_starlette_is_limited_by_its_methods(limit, ask):
    class Model(HTTPEndpoint):
        @limit("1/minute")
        async def get(self, request):
            return PlainTextResponse("get")

        @limit("2/minute")
        def post(self, request):
            return PlainTextResponse("post")

    client = ask(Starlette(routes=[Route("/", Model)]))
    assert [client.post("/").text for _ in range(2)] == ["post", "post"]
    assert client.post("/").status_code == 429


def test_routes_of_starlette_are_limited_whatever_they_call_the_request(limit, statuses):
    @limit("1/minute")
    async def waiting(anything):
        return PlainTextResponse("waiting")

    @limit("1/minute")
    def plain(r):
        return PlainTextResponse(r.url.path)

    app = Starlette(routes=[Route("/waiting", waiting), Mount("/v1", routes=[Route("/plain", plain)])])
    assert statuses(app, "/waiting", "/waiting", "/v1/plain", "/v1/plain") == [200, 429, 200, 429]


def test_a_decorated_endpoint_needs_neither_a_request_nor_a_response(limit, ask):
    app = FastAPI()

    @app.get("/waiting/{item}")
    @limit("2/minute")
    async def waiting(item: int, size: int = 1):
        """What it says."""
        return {"item": item, "size": size}

    @app.get("/plain")
    @limit("2/minute")
    def plain():
        return {"plain": True}

    @app.post("/request")
    @limit("2/minute")
    async def with_request(request: Request):
        return await request.json()

    client = ask(app)
    answer = client.get("/waiting/5", params={"size": 7})
    assert answer.json() == {"item": 5, "size": 7}
    assert answer.headers["ratelimit"].endswith(";r=1") or ";r=1;" in answer.headers["ratelimit"]
    assert client.get("/waiting/5", params={"size": "x"}).status_code == 422
    assert [client.get("/plain").status_code for _ in range(3)] == [200, 200, 429]
    assert client.post("/request", json=[1]).json() == [1]
    described = client.get("/openapi.json").json()["paths"]
    assert [parameter["name"] for parameter in described["/waiting/{item}"]["get"]["parameters"]] == ["item", "size"]
    assert described["/waiting/{item}"]["get"]["description"] == "What it says."


def test_decorators_can_stand_on_each_other(limit, statuses, clock):
    app = FastAPI()

    @app.get("/")
    @limit("3/hour")
    @limit("1/minute")
    async def root():
        return {}

    assert statuses(app, "/", "/") == [200, 429]
    clock.advance(60)
    assert statuses(app, "/") == [200]


def test_a_decorated_function_called_without_a_request_says_so(limit):
    @limit("1/minute")
    async def endpoint():
        return {}

    with pytest.raises(TypeError, match="endpoint is limited, and was called without a request"):
        asyncio.run(endpoint())


def test_what_is_no_function_cannot_be_decorated(limit):
    with pytest.raises(TypeError, match="decorates a function"):
        limit("1/minute")("10/minute")
