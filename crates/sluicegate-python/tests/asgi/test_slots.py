"""The cost of a decorator in FastAPI: a dependency for the first request of a route, and no more if it stands
alone."""

import asyncio
import functools
import inspect
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response, WebSocket
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse

from sluicegate.fastapi import RateLimit, permit
from sluicegate.slowapi import Limiter as SlowAPI
from sluicegate.slowapi.util import get_remote_address


@pytest.fixture
def native(limiter):
    """A limit on the test's clock, as a decorator."""
    return RateLimit("3/minute", limiter=limiter)


def of_slowapi(**settings):
    return SlowAPI(get_remote_address, request_parameter="optional", **settings).limit("3/minute")


@pytest.fixture(params=["native", "slowapi", "slowapi with headers", "slowapi on native", "native on slowapi", "native twice"])
def decorate(request, limiter, native):
    """A decorator of either kind, and of both on each other. Three requests a minute pass."""
    drop_in = of_slowapi(headers_enabled=True)
    return {
        "native": native,
        "slowapi": of_slowapi(),
        "slowapi with headers": drop_in,
        "slowapi on native": lambda endpoint: drop_in(native(endpoint)),
        "native on slowapi": lambda endpoint: native(drop_in(endpoint)),
        "native twice": lambda endpoint: RateLimit("9/minute", limiter=limiter)(native(endpoint)),
    }[request.param]


def passing(endpoint):
    """Hands all on, as most decorators do."""

    @functools.wraps(endpoint)
    async def inner(*args, **kwargs):
        return await endpoint(*args, **kwargs)

    return inner


def app_of(endpoint):
    app = FastAPI()
    app.state.limiter = SlowAPI(get_remote_address)
    app.post("/")(endpoint)
    return app


def dependencies(app):
    """The dependencies that FastAPI resolves for each request of the app's last route."""
    return [dependency.call for dependency in app.routes[-1].dependant.dependencies]


async def with_nothing(size: int = 1):
    return {"size": size}


async def with_response(response: Response):
    response.headers["x-mine"] = "1"
    return {}


async def with_request(request: Request):
    assert isinstance(request, Request)
    return {}


async def with_connection(connection: HTTPConnection):
    assert isinstance(connection, HTTPConnection)
    return {}


async def with_connection_and_response(connection: HTTPConnection, response: Response):
    response.headers["x-mine"] = connection.url.path
    return {}


def in_a_thread(item: Annotated[dict, Body()], request: Request):
    return item


async def with_rest(response: Response, **rest):
    assert set(rest) <= {"rest"}, "a query parameter"
    return {}


ENDPOINTS = [with_nothing, with_response, with_request, with_connection, with_connection_and_response, in_a_thread, with_rest]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_from_the_second_request_on_a_limit_is_no_dependency(ask, decorate, endpoint):
    app = app_of(decorate(endpoint))
    client = ask(app)
    query = {"rest": 1} if endpoint is with_rest else {}
    told = []
    for _ in range(4):
        told.append(client.post("/", json={"a": 1}, params=query))
        assert dependencies(app) == []
    assert [answer.status_code for answer in told] == [200, 200, 200, 429]
    assert told[0].content == told[1].content == told[2].content
    names = [sorted(answer.headers) for answer in told]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_answer_tells_what_is_left(ask, native, endpoint):
    client = ask(app_of(native(endpoint)))
    query = {"rest": 1} if endpoint is with_rest else {}
    told = [client.post("/", json={}, params=query).headers for _ in range(3)]
    assert [headers["ratelimit"].split(";")[1] for headers in told] == ["r=2", "r=1", "r=0"]
    assert endpoint is not with_response or [headers["x-mine"] for headers in told] == ["1"] * 3


def test_a_response_of_the_endpoints_own_tells_it_too(ask, native):
    @native
    async def endpoint() -> PlainTextResponse:
        return PlainTextResponse("text")

    client = ask(app_of(endpoint))
    assert [client.post("/").headers["ratelimit"].split(";")[1] for _ in range(3)] == ["r=2", "r=1", "r=0"]


@pytest.mark.parametrize("taken", [[HTTPConnection], [Request], [Response], [HTTPConnection, Request], [HTTPConnection, Request, Response]])
def test_slots_that_a_decorator_above_has_taken_stay_its_own(ask, native, taken):
    def injecting(endpoint):
        @functools.wraps(endpoint)
        async def inner(*args, theirs, **kwargs):
            assert isinstance(theirs, taken[0])
            return await endpoint(*args, **{name: given for name, given in kwargs.items() if not name.startswith("theirs")})

        signature = inspect.signature(endpoint)
        added = [
            inspect.Parameter("theirs" + "_" * place, inspect.Parameter.KEYWORD_ONLY, annotation=kind)
            for place, kind in enumerate(taken)
        ]
        inner.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])
        return inner

    client = ask(app_of(injecting(native(with_nothing))))
    told = [client.post("/") for _ in range(4)]
    assert [answer.status_code for answer in told] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in told] == ["r=2", "r=1", "r=0", "r=0"]


def test_an_endpoint_that_takes_all_slots_for_requests_keeps_them(ask, native):
    async def endpoint(connection: HTTPConnection, request: Request):
        assert connection is request
        return {}

    app = app_of(native(endpoint))
    told = [ask(app).post("/") for _ in range(4)]
    assert [answer.status_code for answer in told] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in told] == ["r=2", "r=1", "r=0", "r=0"]
    assert len(dependencies(app)) == 1


def test_an_endpoint_on_several_routes_is_handed_what_each_of_them_can(ask, native):
    app = FastAPI()
    limited = native(with_nothing)
    app.post("/alone")(limited)
    app.post("/under")(passing(limited))
    app.post("/partial")(functools.partial(limited, size=5))
    client = ask(app)
    for path in ("/alone", "/under", "/partial"):
        told = [client.post(path) for _ in range(4)]
        assert [answer.status_code for answer in told] == [200, 200, 200, 429]
        assert all("ratelimit" in answer.headers for answer in told)


def test_a_route_that_is_included_several_times_is_its_own_each_time(ask, native):
    router = APIRouter()

    @router.get("/dependencies")
    @native
    async def endpoint(request: Request):
        context = request.scope.get("fastapi", {}).get("effective_route_context") or request.scope["route"]
        return [str(dependency.call) for dependency in context.dependant.dependencies]

    async def own():
        pass

    app = FastAPI()
    app.include_router(router, prefix="/a")
    app.include_router(router, prefix="/b", dependencies=[Depends(own)])
    client = ask(app)
    for prefix, left in (("/a", 0), ("/b", 1)):
        told = [client.get(f"{prefix}/dependencies") for _ in range(4)]
        assert [answer.status_code for answer in told] == [200, 200, 200, 429]
        assert [len(answer.json()) for answer in told[1:3]] == [left] * 2


def test_a_websockets_route_has_slots_too(limiter, ask):
    app = FastAPI()

    @app.websocket("/")
    @RateLimit("3/minute", limiter=limiter)
    async def echo(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text("here")
        await websocket.close()

    for _ in range(3):
        with ask(app).websocket_connect("/") as websocket:
            assert websocket.receive_text() == "here"
        assert dependencies(app) == []
    with pytest.raises(Exception) as denied, ask(app).websocket_connect("/"):
        pass
    assert denied.value.status_code == 429


def test_what_an_app_depends_on_stays(ask, native):
    async def stated():
        return "stated"

    async def replaced():
        return "replaced"

    app = FastAPI()

    @app.post("/")
    @native
    async def endpoint(given: Annotated[str, Depends(stated)]):
        return given

    client = ask(app)
    assert [client.post("/").json() for _ in range(2)] == ["stated"] * 2
    assert dependencies(app) == [stated]
    app.dependency_overrides[stated] = replaced
    assert client.post("/").json() == "replaced"


def test_what_a_decorator_between_two_limits_depends_on_is_asked_for_every_request(ask, native):
    async def user():
        return "alice"

    def for_a_user(endpoint):
        signature = inspect.signature(endpoint)

        @functools.wraps(endpoint)
        async def inner(*args, user, **kwargs):
            return [user, await endpoint(*args, **kwargs)]

        theirs = inspect.Parameter("user", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, Depends(user)])
        inner.__signature__ = signature.replace(parameters=[*signature.parameters.values(), theirs])
        return inner

    app = app_of(native(for_a_user(of_slowapi()(with_nothing))))
    assert [ask(app).post("/").json() for _ in range(3)] == [["alice", {"size": 1}]] * 3
    assert dependencies(app) == [user]


def test_a_decorated_function_can_be_a_dependency(ask, limiter, native):
    @RateLimit("2/minute", limiter=limiter, name="dependency")
    async def found(request: Request):
        return permit(request) is not None

    app = FastAPI()

    @app.post("/")
    @native
    async def endpoint(found: Annotated[bool, Depends(found)]):
        return found

    told = [ask(app).post("/") for _ in range(3)]
    assert [answer.status_code for answer in told] == [200, 200, 429]
    assert told[1].json() is True
    assert dependencies(app) == [found]


def test_requests_that_are_under_way_meanwhile_are_served_and_limited(native):
    async def run():
        app, opened, waiting = FastAPI(), asyncio.Event(), asyncio.Event()

        async def at_the_gate(waits: bool = False):
            if waits:
                waiting.set()
                await opened.wait()

        @app.get("/")
        @native
        async def endpoint(gate: Annotated[None, Depends(at_the_gate)]):
            return {}

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            first = asyncio.create_task(client.get("/", params={"waits": True}))
            await waiting.wait()
            between = await client.get("/")
            assert dependencies(app) == [at_the_gate]
            opened.set()
            return [between, await first, await client.get("/")]

    told = asyncio.run(run())
    assert [answer.status_code for answer in told] == [200] * 3
    assert [answer.headers["ratelimit"].split(";")[1] for answer in told] == ["r=2", "r=1", "r=0"]
