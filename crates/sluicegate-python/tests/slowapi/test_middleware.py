"""The middleware: limits of routes that have no decorator."""

import asyncio

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from sluicegate.slowapi.errors import RateLimitExceeded
from sluicegate.slowapi.middleware import (
    SlowAPIASGIMiddleware,
    SlowAPIMiddleware,
    _find_route_handler,
    _should_exempt,
    async_check_limits,
    sync_check_limits,
)

BOTH = pytest.mark.parametrize("middleware", [SlowAPIMiddleware, SlowAPIASGIMiddleware])


@BOTH
def test_default_limits_hold_for_every_route_apart(build, statuses, middleware):
    app, _ = build(default_limits=["2/minute"], middleware=middleware)

    @app.get("/a")
    @app.get("/b")
    async def both():
        return {}

    assert statuses(app, "/a", 3) + statuses(app, "/b", 3) == [200, 200, 429] * 2
    assert statuses(app, "/nowhere", 3) == [404] * 3


@BOTH
def test_routes_of_included_routers_and_mounted_apps_are_found(build, statuses, middleware):
    app, _ = build(default_limits=["1/minute"], middleware=middleware)
    inner, outer, sub = APIRouter(), APIRouter(prefix="/outer"), FastAPI()

    @inner.get("/x/{item}")
    async def routed(item: int):
        return item

    async def plain(request):
        return PlainTextResponse("plain")

    @sub.get("/y")
    def mounted():
        return {}

    inner.add_route("/plain", plain)
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer)
    sub.include_router(inner)
    outer.mount("/within", sub)
    app.mount("/sub/{name}", sub)
    for path in ["/outer/inner/x/1", "/sub/a/plain", "/sub/a/y", "/sub/a/x/1"]:
        assert statuses(app, path, 2) == [200, 429], path


def test_decorators_and_exemptions_hold_in_included_routers(build, statuses):
    app, limiter = build(default_limits=["1/minute"])
    router = APIRouter(prefix="/in")

    @router.get("/free")
    @limiter.exempt
    def free():
        return {}

    @router.get("/decorated")
    @limiter.limit("2/minute")
    def decorated(request: Request):
        return {}

    app.include_router(router)
    assert statuses(app, "/in/free", 3) == [200] * 3
    assert statuses(app, "/in/decorated", 3) == [200, 200, 429]


def test_routes_of_hosts_and_nested_mounts_are_found(build, statuses):
    async def here(request):
        return PlainTextResponse("here")

    inner = Router([Route("/z", here)])
    app = Starlette(routes=[Host("api.example.com", inner), Mount("/m", routes=[Mount("/n", inner)])])
    build(app=app, default_limits=["1/minute"])
    assert statuses(app, "/m/n/z", 2) == [200, 429]
    assert statuses(app, "http://api.example.com/z", 2) == [200, 429]
    assert statuses(app, "http://else.example.com/z", 2) == [404, 404]


def test_a_route_that_is_added_later_is_found(build, statuses):
    app, _ = build(default_limits=["1/minute"])
    assert statuses(app, "/late", 2) == [404, 404]
    app.add_api_route("/late", lambda: {})
    assert statuses(app, "/late", 2) == [200, 429]


def test_a_route_that_is_put_before_another_takes_its_place(build, statuses):
    app, limiter = build(default_limits=["1/minute"])
    app.add_api_route("/", lambda: {})
    assert statuses(app, "/", 2) == [200, 429]

    @limiter.exempt
    async def first(request):
        return PlainTextResponse("first")

    app.router.routes.insert(0, Route("/", first))
    assert statuses(app, "/", 2) == [200, 200]


def test_a_path_is_told_apart_by_its_method(build):
    app, limiter = build(default_limits=["1/minute"])

    @app.get("/")
    @limiter.exempt
    def read():
        return {}

    @app.post("/")
    def write():
        return {}

    client = TestClient(app)
    assert [client.get("/").status_code for _ in range(3)] == [200] * 3
    assert [client.post("/").status_code for _ in range(2)] == [200, 429]
    assert [client.put("/").status_code for _ in range(2)] == [405] * 2


def test_files_are_not_limited(build, statuses, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    app, _ = build(default_limits=["1/minute"])
    app.mount("/static", StaticFiles(directory=tmp_path))
    assert statuses(app, "/static/a.txt", 3) == [200] * 3


@BOTH
@pytest.mark.parametrize("dynamic", [True, False])
def test_a_decorator_takes_the_place_of_default_limits(build, statuses, middleware, dynamic):
    app, limiter = build(default_limits=["1/minute"], middleware=middleware, headers_enabled=True)

    @app.get("/instead")
    @limiter.limit((lambda: "2/minute") if dynamic else "2/minute")
    async def instead(request: Request):
        return {}

    @app.get("/beside")
    @limiter.limit("2/minute", override_defaults=False)
    async def beside(request: Request):
        return {}

    answer = TestClient(app).get("/instead")
    assert answer.headers.get_list("X-RateLimit-Limit") == ["2"]
    @app.get("/both")
    @limiter.limit("3/minute")
    @limiter.limit("2/minute", override_defaults=False)
    async def both(request: Request):
        return {}

    assert statuses(app, "/instead", 3) == [200, 200, 429]
    assert statuses(app, "/beside", 2) == [200, 429]
    assert statuses(app, "/both", 3) == [200, 200, 429]


@BOTH
def test_application_limits_are_one_account_of_all_routes(build, statuses, middleware):
    app, limiter = build(application_limits=["3/minute"], middleware=middleware)

    @app.get("/plain")
    def plain():
        return {}

    @app.get("/decorated")
    @limiter.limit("9/minute")
    def decorated(request: Request):
        return {}

    assert statuses(app, "/plain", 2) + statuses(app, "/decorated", 2) + statuses(app, "/plain") == [200, 200, 200, 429, 429]
    assert limiter._storage.get("LIMITER/203.0.113.7//decorated/9/1/minute") == 1
    assert limiter._storage.get("LIMITER/203.0.113.7/global/3/1/minute") == 5


def test_application_limits_hold_for_decorators_without_a_middleware(build, statuses):
    app, limiter = build(application_limits=["1/minute"], middleware=None)

    @app.get("/")
    @limiter.limit("9/minute")
    def root(request: Request):
        return {}

    assert statuses(app, "/", 2) == [200, 429]


@BOTH
@pytest.mark.parametrize("above", [True, False])
def test_an_exempt_route_has_no_limits(build, statuses, middleware, above):
    app, limiter = build(default_limits=["0/minute"], application_limits=["0/minute"], middleware=middleware)

    async def root(request: Request):
        return {}

    if above:
        limiter.exempt(app.get("/")(limiter.limit("0/minute")(root)))
    else:
        app.get("/")(limiter.exempt(limiter.limit("0/minute")(root)))
    assert statuses(app, "/", 2) == [200, 200]


def test_filters_of_requests_are_asked(build, statuses):
    app, limiter = build(default_limits=["0/minute"])
    app.add_api_route("/", lambda: {})
    limiter._request_filters.append(lambda: True)
    assert statuses(app, "/") == [200]
    limiter._request_filters[:] = [lambda: False]
    assert statuses(app, "/") == [429]


@BOTH
def test_exception_handlers_may_be_async(build, middleware):
    app, _ = build(default_limits=["0/minute"], middleware=middleware)

    @app.exception_handler(RateLimitExceeded)
    async def refuse(request, exc):
        await asyncio.sleep(0)
        return JSONResponse({"mine": exc.detail}, status_code=418)

    app.add_api_route("/", lambda: {})
    denied = TestClient(app).get("/")
    assert (denied.status_code, denied.json()) == (418, {"mine": "0 per 1 minute"})


@BOTH
def test_an_error_of_a_key_function_is_an_error_and_may_have_a_handler(build, middleware):
    def key(request):
        raise KeyError("no tenant")

    app, _ = build(key, default_limits=["5/minute"], middleware=middleware)
    app.add_api_route("/", lambda: {})
    with pytest.raises(KeyError):
        TestClient(app).get("/")
    app.add_exception_handler(KeyError, lambda request, exc: JSONResponse({}, status_code=401))
    assert TestClient(app).get("/").status_code == 401


@BOTH
def test_streams_and_background_tasks_pass(build, middleware):
    app, _ = build(default_limits=["9/minute"], headers_enabled=True, middleware=middleware)
    done = []

    @app.get("/stream")
    async def stream(tasks: BackgroundTasks):
        async def words():
            for word in ("one", "two", "three"):
                yield word
                await asyncio.sleep(0)

        return StreamingResponse(words())

    @app.get("/task")
    async def task(tasks: BackgroundTasks):
        tasks.add_task(done.append, 1)
        return {}

    messages = []

    async def call(path):
        async def receive():
            await asyncio.sleep(0 if not messages else 3600)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            messages.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
        scope |= {"client": ("203.0.113.7", 1), "server": ("test", 80), "scheme": "http", "http_version": "1.1", "asgi": {}}
        await app(scope, receive, send)

    asyncio.run(call("/stream"))
    assert [message["type"] for message in messages].count("http.response.start") == 1
    assert [message["body"] for message in messages[1:] if message["body"]] == [b"one", b"two", b"three"]
    assert dict(messages[0]["headers"])[b"x-ratelimit-remaining"] == b"8"
    assert TestClient(app).get("/task").status_code == 200
    assert done == [1]


def test_an_endpoint_that_is_an_asgi_app_is_limited(build):
    class Bare:
        async def __call__(self, scope, receive, send):
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    app, _ = build(default_limits=["1/minute"], headers_enabled=True, key_style="endpoint")
    app.router.routes.append(Route("/", Bare()))
    client = TestClient(app)
    first = client.get("/")
    assert (first.status_code, first.headers["X-RateLimit-Remaining"]) == (204, "0")
    assert client.get("/").status_code == 429


def test_a_middleware_that_is_derived_keeps_its_dispatch(build, statuses):
    class Choosy(SlowAPIMiddleware):
        async def dispatch(self, request, call_next):
            if request.url.path == "/free":
                return await call_next(request)
            return await super().dispatch(request, call_next)

    app, limiter = build(default_limits=["1/minute"], middleware=Choosy, headers_enabled=True)
    for path in ("/free", "/paid"):
        app.add_api_route(path, lambda: {})

    @app.get("/decorated")
    @limiter.limit("2/minute")
    def decorated(request: Request):
        return {}

    assert statuses(app, "/free", 3) == [200] * 3
    assert TestClient(app).get("/paid").headers["X-RateLimit-Remaining"] == "0"
    assert statuses(app, "/paid", 2) == [200, 429]
    assert statuses(app, "/decorated", 3) == [200, 200, 429]


def test_a_key_function_may_read_the_body(build):
    async def key(request):
        return (await request.json())["user"]

    app, _ = build(key, default_limits=["1/minute"])

    @app.post("/")
    async def root(request: Request):
        return await request.json()

    client = TestClient(app)
    answers = [client.post("/", json={"user": user}) for user in ("a", "b", "a")]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[1].json() == {"user": "b"}


def test_websockets_pass_the_middleware(build):
    app, _ = build(default_limits=["0/minute"])

    @app.websocket("/ws")
    async def chat(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    with TestClient(app).websocket_connect("/ws") as socket:
        assert socket.receive_text() == "hello"


def test_middleware_of_ones_own_can_use_the_parts(build):
    app, limiter = build(default_limits=["1/minute"], middleware=None)

    @app.get("/plain")
    def plain():
        return {}

    @app.get("/decorated")
    @limiter.limit("9/minute")
    def decorated(request: Request):
        return {}

    def request(path):
        return Request({"type": "http", "app": app, "method": "GET", "path": path, "headers": [], "client": ("192.0.2.1", 1)})

    endpoint = _find_route_handler(app.routes, request("/plain").scope)
    assert endpoint is plain
    assert not _should_exempt(limiter, endpoint)
    assert _should_exempt(limiter, _find_route_handler(app.routes, request("/decorated").scope))
    assert _should_exempt(limiter, _find_route_handler(app.routes, request("/nowhere").scope))
    assert sync_check_limits(limiter, request("/plain"), endpoint, app) == (None, True)
    denied, headers = asyncio.run(async_check_limits(limiter, request("/plain"), endpoint, app))
    assert (denied.status_code, headers) == (429, False)
    denied, headers = sync_check_limits(limiter, request("/plain"), endpoint, app)
    assert (denied.status_code, headers) == (429, False)


def test_without_auto_check_nothing_is_checked(build, statuses):
    app, limiter = build(default_limits=["0/minute"], auto_check=False)
    app.add_api_route("/plain", lambda: {})

    @app.get("/decorated")
    @limiter.limit("0/minute")
    def decorated(request: Request):
        return {}

    assert statuses(app, "/plain") + statuses(app, "/decorated") == [200, 200]
