"""Slots of concurrent quotas, held until the response has been sent or nobody wants it any more."""

import asyncio
import gc

import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.routing import Route

from sluicegate import Limiter
from sluicegate.fastapi import RateLimit, RateLimitMiddleware


class Exchange:
    """A request to an app within the event loop, whose response is received as it comes."""

    def __init__(self, app, path="/", keeps=False, **scope):
        self.status = None
        self.headers = []
        self.chunks = asyncio.Queue()
        self.gone = asyncio.Event()
        self._asked = False
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost")],
            "client": ("203.0.113.7", 50000),
            "server": ("127.0.0.1", 80),
            **scope,
        }
        # uvicorn keeps a scope until its connection's next request.
        self.scope = scope if keeps else None
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self):
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if self.gone.is_set():
            raise OSError("the client has gone away")
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        elif message["type"] == "http.response.body":
            await self.chunks.put(message.get("body", b""))

    async def chunk(self):
        return await asyncio.wait_for(self.chunks.get(), 10)

    async def leave(self):
        """The client goes away, and the server notices."""
        self.gone.set()
        await asyncio.wait([self.task], timeout=10)
        assert self.task.done()
        if not self.task.cancelled():
            # Whatever it ended with is the server's to log.
            self.task.exception()

    async def end(self):
        await asyncio.wait_for(self.task, 10)


class Model:
    """Apps whose response goes on until `finish`."""

    def __init__(self, limiter):
        self.limiter = limiter
        self.finish = None

    def limit(self):
        return RateLimit("1 concurrent", limiter=self.limiter)

    async def words(self):
        yield "data: one\n\n"
        await self.finish.wait()
        yield "data: two\n\n"

    def dependency(self):
        app = FastAPI()

        @app.get("/", dependencies=[Depends(self.limit())])
        async def root():
            return StreamingResponse(self.words(), media_type="text/event-stream")

        return app

    def router(self):
        app = FastAPI(dependencies=[Depends(self.limit())])

        @app.get("/")
        def root():
            return StreamingResponse(self.words(), media_type="text/event-stream")

        return app

    def decorated(self):
        app = FastAPI()

        @app.get("/")
        @self.limit()
        async def root():
            return StreamingResponse(self.words(), media_type="text/event-stream")

        return app

    def starlette(self):
        @self.limit()
        async def root(request):
            return StreamingResponse(self.words(), media_type="text/event-stream")

        return Starlette(routes=[Route("/", root)])

    def middleware(self):
        app = FastAPI()

        @app.get("/")
        async def root():
            return StreamingResponse(self.words(), media_type="text/event-stream")

        return RateLimitMiddleware(app, limiter=self.limiter)

    def bare(self):
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            async for word in self.words():
                await send({"type": "http.response.body", "body": word.encode(), "more_body": True})
            await send({"type": "http.response.body"})

        return RateLimitMiddleware(app, limiter=self.limiter)


APPS = ["dependency", "router", "decorated", "starlette", "middleware", "bare"]


@pytest.fixture(params=["memory", "redis"])
def limiter(request):
    if request.param == "memory":
        url, timeout = "memory://", "10ms"
    else:
        url, timeout = request.getfixturevalue("arrange")("redis").url, "1s"
    # A policy for the middleware; a RateLimit has a route of its own.
    return Limiter(policy={"store": {"url": url, "timeout": timeout}, "defaults": {"limits": ["1 concurrent"]}})


async def soon_free(app):
    """Waits until a request passes, and gives it."""
    for _ in range(500):
        exchange = Exchange(app)
        await exchange.chunk()
        if exchange.status == 200:
            return exchange
        await exchange.end()
        gc.collect()
        await asyncio.sleep(0.01)
    raise AssertionError("the slot came back")


@pytest.mark.parametrize("app", APPS)
def test_a_stream_holds_its_slot_until_it_has_ended(limiter, app):
    async def stream():
        model = Model(limiter)
        model.finish = asyncio.Event()
        served = getattr(model, app)()
        first = Exchange(served, keeps=True)
        assert await first.chunk() == b"data: one\n\n"
        assert first.status == 200

        second = Exchange(served)
        await second.end()
        assert second.status == 429

        model.finish.set()
        assert await first.chunk() == b"data: two\n\n"
        await first.end()
        again = await soon_free(served)
        await again.end()

    asyncio.run(stream())


@pytest.mark.parametrize("app", APPS)
def test_a_client_that_goes_away_gives_its_slot_back(limiter, app):
    async def stream():
        model = Model(limiter)
        model.finish = asyncio.Event()
        served = getattr(model, app)()
        first = Exchange(served, keeps=True)
        assert await first.chunk() == b"data: one\n\n"
        if app == "bare":
            # Such an app finds out when it sends, or is cancelled.
            first.task.cancel()
        await first.leave()

        model.finish.set()
        again = await soon_free(served)
        await again.end()

    asyncio.run(stream())


@pytest.mark.parametrize("app", ["dependency", "decorated", "starlette"])
def test_an_endpoint_that_fails_gives_its_slot_back(app):
    limiter = Limiter()
    limit = RateLimit("1 concurrent", limiter=limiter)

    async def failing(request=None):
        raise KeyError("mine")

    if app == "starlette":
        served = Starlette(routes=[Route("/", limit(failing))])
    else:
        served = FastAPI()
        endpoint, dependencies = (failing, [Depends(limit)]) if app == "dependency" else (limit(failing), [])
        served.get("/", dependencies=dependencies)(endpoint)

    failed = []

    async def fail():
        for _ in range(5):
            exchange = Exchange(served, keeps=True)
            with pytest.raises(KeyError):
                await exchange.end()
            assert exchange.status == 500
            failed.append(exchange)
            del exchange
            gc.collect()

    asyncio.run(fail())


@pytest.mark.parametrize("app", APPS)
def test_chunks_are_sent_as_they_come(app):
    async def stream():
        model = Model(Limiter(policy={"defaults": {"limits": ["1 concurrent"]}}))
        model.finish = asyncio.Event()
        exchange = Exchange(getattr(model, app)())
        assert await exchange.chunk() == b"data: one\n\n", "before the stream has ended"
        model.finish.set()
        assert await exchange.chunk() == b"data: two\n\n"
        await exchange.end()

    asyncio.run(stream())
