"""Endpoints that a limit decorates: what they may be, and how long their slots are held."""

import asyncio
import functools

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from sluicegate.fastapi import RateLimit


@pytest.fixture
def slot(limiter):
    """A limit of one slot."""
    return RateLimit("1 concurrent", name="slot", key="global", limiter=limiter)


@pytest.fixture
def endpoints(slot):
    """Starlette endpoints under the limit, by their paths. Their requests are kept, so that no garbage gives slots back."""
    kept = []

    def under(endpoint):
        @slot
        @functools.wraps(endpoint)
        async def limited(request):
            kept.append(request)
            return await endpoint(request)

        return limited

    async def plain(request):
        return PlainTextResponse("x")

    async def stream(request):
        async def chunks():
            yield b"a"
            yield b"b"

        return StreamingResponse(chunks())

    async def broken_stream(request):
        async def chunks():
            yield b"a"
            raise ValueError("no more")

        return StreamingResponse(chunks())

    async def fail(request):
        raise ValueError("no answer")

    async def with_task(request):
        return PlainTextResponse("x", background=BackgroundTask(asyncio.sleep, 0))

    async def nothing(request):
        return None

    names = {"plain": plain, "stream": stream, "broken": broken_stream, "fail": fail, "task": with_task, "none": nothing}
    app = Starlette(routes=[Route(f"/{name}", under(endpoint)) for name, endpoint in names.items()])
    return app


@pytest.mark.parametrize(
    "path, status", [("plain", 200), ("stream", 200), ("task", 200), ("fail", 500), ("none", 500)]
)
def test_starlette_gives_a_slot_back_when_the_response_has_been_sent(endpoints, ask, path, status):
    client = ask(endpoints, raise_server_exceptions=False)
    assert [client.get(f"/{path}").status_code for _ in range(3)] == [status] * 3


def test_a_stream_that_breaks_gives_its_slot_back(endpoints, ask):
    for _ in range(3):
        with pytest.raises(ValueError, match="no more"):
            ask(endpoints).get("/broken")


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
def test_a_slot_is_held_while_a_stream_is_sent_and_given_back_when_its_client_goes(slot, spec_version):
    async def ask(app, leave):
        """Asks for a stream, and leaves in the middle of it."""
        is_streaming = asyncio.Event()

        async def receive():
            await leave.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.start":
                sent.append(message["status"])
            elif leave.is_set():
                raise OSError("the client has gone")
            is_streaming.set()

        sent = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": spec_version},
            "method": "GET",
            "path": "/",
            "headers": [],
            "query_string": b"",
        }
        task = asyncio.ensure_future(app(scope, receive, send))
        await is_streaming.wait()
        return scope, task, sent[0]

    async def for_ever():
        while True:
            yield b"more"
            await asyncio.sleep(0)

    async def main():
        @slot
        async def stream(request):
            return StreamingResponse(for_ever())

        app = Starlette(routes=[Route("/", stream)])
        scopes = []
        for _ in range(2):
            leave = asyncio.Event()
            kept, first, status = await ask(app, leave)
            second, denied, other = await ask(app, leave)
            scopes += [kept, second]
            assert (status, other) == (200, 429)
            leave.set()
            await asyncio.gather(first, denied, return_exceptions=True)

    asyncio.run(asyncio.wait_for(main(), 15))


def test_a_websocket_gives_its_slot_back_when_its_endpoint_ends(slot, ask):
    kept = []

    @slot
    async def talk(websocket):
        kept.append(websocket)
        await websocket.accept()
        await websocket.close()

    client = ask(Starlette(routes=[WebSocketRoute("/", talk)]))
    for _ in range(3):
        with client.websocket_connect("/"):
            pass


def test_what_is_said_of_a_response_that_holds_a_slot_is_sent(slot, ask):
    def marked(endpoint):
        @functools.wraps(endpoint)
        async def wrapper(request):
            response = await endpoint(request)
            response.headers["x-marked"] = "yes"
            response.status_code = 201
            return response

        return wrapper

    @marked
    @slot
    async def plain(request):
        return PlainTextResponse("x")

    answer = ask(Starlette(routes=[Route("/", plain)])).get("/")
    assert (answer.status_code, answer.headers["x-marked"]) == (201, "yes")


def test_a_response_that_an_endpoint_gives_to_all_stays_as_it_is(limiter, ask):
    answer = PlainTextResponse("x")
    before = list(answer.headers.items())

    @RateLimit("9/minute", limiter=limiter)
    async def constant(request):
        return answer

    client = ask(Starlette(routes=[Route("/", constant)]))
    told = [client.get("/").headers["ratelimit"] for _ in range(3)]
    assert [text.split(";")[1] for text in told] == ["r=8", "r=7", "r=6"]
    assert list(answer.headers.items()) == before


class Callable:
    async def __call__(self, request: Request):
        return JSONResponse("called")


async def with_part(part: str, request: Request):
    return JSONResponse(part)


@pytest.mark.parametrize("endpoint", [Callable(), functools.partial(with_part, "part")], ids=["object", "partial"])
def test_what_can_be_awaited_is_not_run_in_a_thread(limiter, ask, endpoint):
    app = FastAPI()
    app.get("/")(RateLimit("1/minute", limiter=limiter)(endpoint))
    assert [ask(app).get("/").status_code for _ in range(2)] == [200, 429]


def test_an_endpoint_that_yields_is_refused_where_it_is_decorated():
    async def chunks():
        yield "a"

    def lines():
        yield "a"

    for endpoint in (chunks, lines):
        with pytest.raises(TypeError, match="yields its answer"):
            RateLimit("1/minute")(endpoint)
