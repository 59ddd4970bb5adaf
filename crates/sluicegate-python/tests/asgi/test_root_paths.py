"""A root path, wherever it comes from, is no way round a limit: the middleware sees the path that the app's last router sees."""

import asyncio
import itertools
import random

import fastapi
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from litestar import Litestar
from litestar import get as litestar_get
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.testclient import WebSocketDenialResponse

from sluicegate.fastapi import RateLimitMiddleware

FASTAPI = tuple(int(part) for part in fastapi.__version__.split(".")[:2])
ONE = {"route": [{"path": "/x", "limits": [{"name": "x", "quota": "1/minute", "key": "global"}]}]}
MOUNTED = {"route": [{"path": "/sub/x", "limits": [{"name": "x", "quota": "1/minute", "key": "global"}]}]}


def call(app, path, root_path="", kind="http", headers=()):
    """The status of a request whose path the server has in its scope, and whether an endpoint has run."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": root_path,
        "query_string": b"",
        "headers": [(b"host", b"a.example"), *headers],
        "client": ("203.0.113.7", 1),
        "server": ("a.example", 80),
        "scheme": "http",
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"]


def statuses(app, *requests):
    return [call(app, *request) for request in requests]


def served_app(**settings):
    app = FastAPI(**settings)
    app.get("/x")(lambda: "x")
    return app


def around(app, policy=ONE):
    return RateLimitMiddleware(app, policy)


def inside(app, policy=ONE):
    app.add_middleware(RateLimitMiddleware, policy=policy)
    return app


# --- the ways there are ---


@pytest.mark.parametrize("place", [around, inside, lambda app: around(CORSMiddleware(app, allow_origins=["*"]))], ids=["around", "inside", "around another"])
@pytest.mark.parametrize("root", ["/api", "/api/v1", "/x/y"])
def test_an_app_with_a_root_path_is_limited_by_whichever_path_it_serves(place, root):
    for first, second in itertools.product(["/x", f"{root}/x"], repeat=2):
        assert statuses(place(served_app(root_path=root)), (first,), (second,)) == [200, 429], (first, second)


@pytest.mark.parametrize("place", [around, inside])
@pytest.mark.parametrize("path", ["/x", "/api/x"], ids=["a proxy that strips", "one that does not"])
def test_a_servers_root_path_is_cut_off_as_starlette_does(place, path):
    assert statuses(place(served_app()), (path, "/api"), ("/api/x", "/api")) == [200, 429]


def test_a_servers_root_path_gives_way_to_the_apps_own():
    app = around(served_app(root_path="/app"))
    # As FastAPI does; what is below the server's root is then not found.
    assert statuses(app, ("/api/x", "/api"), ("/app/x", "/api"), ("/x", "/api")) == [404, 200, 429]


@pytest.mark.parametrize("root, path", [("/api/", "/api//x"), ("/api/", "/x"), ("/api", "/api/x/"), ("/api", "/api/x")])
def test_a_root_path_with_a_slash_at_its_end_is_none(root, path):
    """uvicorn puts its root path before every path as it is."""
    for app in (around(served_app()), around(served_app(root_path=root))):
        first = call(app, path, root)
        assert first in (200, 307)
        assert call(app, path, root) == 429


def test_the_root_itself_is_the_root():
    policy = {"route": [{"path": "/", "limits": ["1/minute"]}]}

    async def anything(scope, receive, send):
        await PlainTextResponse("here")(scope, receive, send)

    assert statuses(around(anything, policy), ("/api", "/api"), ("/api/", "/api"), ("/", "/api")) == [200, 429, 429]


def test_a_root_path_that_is_set_later_counts():
    fastapi = served_app()
    app = around(fastapi)
    assert call(app, "/x") == 200
    fastapi.root_path = "/api"
    assert call(app, "/api/x") == 429


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("outer", ["mount", "host", "router", "mounted in a mount", "mounted later"])
def test_an_app_with_a_root_path_that_is_mounted_at_the_root_is_limited_too(outer, wrapped):
    sub = served_app(root_path="/api")
    mounted = CORSMiddleware(sub, allow_origins=["*"]) if wrapped else sub
    if outer == "mount":
        app = around(Starlette(routes=[Route("/other", lambda request: None), Mount("/", mounted)]))
    elif outer == "host":
        app = around(Starlette(routes=[Host("a.example", mounted)]))
    elif outer == "router":
        app = around(Router(routes=[Mount("/", mounted)]))
    elif outer == "mounted in a mount":
        app = around(Starlette(routes=[Mount("/", Starlette(routes=[Mount("/", mounted)]))]))
    else:
        outermost = FastAPI(openapi_url=None)
        app = around(outermost)
        assert call(app, "/api/y") == 404
        outermost.mount("/", mounted)
    assert statuses(app, ("/api/x",), ("/api/x",), ("/x",)) == [200, 429, 429]


def test_a_middleware_inside_a_mounted_app_with_a_root_path_sees_what_its_router_does():
    app = Starlette(routes=[Mount("/", inside(served_app(root_path="/api")))])
    assert statuses(app, ("/api/x",), ("/x",)) == [200, 429]


@pytest.mark.parametrize("place", [around, inside])
def test_a_mount_keeps_its_path_though_a_root_path_is_put_in_its_place(place):
    sub = served_app(root_path="/sub/v2")
    app = Starlette(routes=[Mount("/sub", sub if place is around else inside(sub, MOUNTED))])
    app = around(app, MOUNTED) if place is around else app
    assert statuses(app, ("/sub/v2/x",), ("/sub/v2/x",)) == [200, 429]


@pytest.mark.parametrize("root", ["", "/sub", "/api"])
@pytest.mark.parametrize("place", ["around all", "inside all", "around the mounted", "inside the mounted"])
def test_mounted_apps_are_limited_by_their_whole_paths(place, root):
    sub = served_app()
    if place == "inside the mounted":
        sub = inside(sub, MOUNTED)
    elif place == "around the mounted":
        sub = around(sub, MOUNTED)
    app = FastAPI(root_path=root)
    app.mount("/sub", sub)
    app = around(app, MOUNTED) if place == "around all" else inside(app, MOUNTED) if place == "inside all" else app
    path = f"{root}/sub/x"
    assert statuses(app, (path,), (path,)) == [200, 429]


@pytest.mark.skipif(FASTAPI < (0, 137), reason="before 0.137 an included router loses what is mounted in it")
def test_a_mounted_app_in_an_included_router_is_found_too():
    app, router = FastAPI(), APIRouter()
    router.mount("/", served_app(root_path="/v1/api"))
    app.include_router(router, prefix="/v1")
    policy = {"route": [{"path": "/v1/x", "limits": ["1/minute"]}]}
    assert statuses(around(app, policy), ("/v1/api/x",), ("/v1/api/x",)) == [200, 429]


def test_a_policy_that_names_paths_with_their_root_goes_on_to_hold():
    policy = {"route": [{"path": "/api/x", "limits": ["1/minute"]}]}
    for app in (around(served_app(root_path="/api"), policy), around(served_app(), policy)):
        root = "" if app.app.root_path else "/api"
        assert statuses(app, ("/api/x", root), ("/api/x", root)) == [200, 429]


@pytest.mark.parametrize("path", ["/api/x", "/x", "/x/api/x", "/apix"])
def test_litestar_cuts_a_root_off_wherever_it_stands(path):
    @litestar_get("/x")
    async def x() -> str:
        return "x"

    told = statuses(around(Litestar([x])), (path, "/api"), (path, "/api"))
    assert told in ([200, 429], [404, 404])
    assert path in ("/x/api/x", "/apix") or told == [200, 429]


def test_a_websocket_is_no_way_round(ask):
    app = FastAPI(root_path="/api")

    @app.websocket("/x")
    async def x(websocket: WebSocket):
        await websocket.accept()
        await websocket.close()

    client = ask(around(app))
    with pytest.raises(WebSocketDenialResponse) as denied:
        for path in ("/x", "/api/x"):
            with client.websocket_connect(path):
                pass
    assert denied.value.status_code == 429


# --- all ways at once ---


PARTS = ["", "/api", "/sub", "/api/sub", "/api/", "/x", "/v2"]


def arrangement(chance):
    """An app that serves `/x` somewhere, limited on its whole template, and the server's root path."""
    app = FastAPI(root_path=chance.choice(PARTS), openapi_url=None)
    app.get("/x")(lambda: "x")
    mounts = [chance.choice(["", "/sub", "/api", "/v2"]) for _ in range(chance.randrange(3))]
    limit = {"name": "x", "quota": "1/minute", "key": "global"}
    policy = {"route": [{"path": "".join([*reversed(mounts), "/x"]), "limits": [limit]}]}
    place = chance.choice(["inside", "inside the mounted", "around", "around another"])
    if place == "inside the mounted":
        inside(app, policy)
    for mount in mounts:
        outer = chance.choice([Starlette, lambda: FastAPI(root_path=chance.choice(PARTS), openapi_url=None)])()
        outer.mount(mount, app)
        app = outer
    if place == "inside":
        inside(app, policy)
    elif place == "around":
        app = around(app, policy)
    elif place == "around another":
        app = around(CORSMiddleware(app, allow_origins=["*"]), policy)
    return app, chance.choice(PARTS)


def test_whatever_an_app_serves_it_serves_once():
    paths = ["".join(parts) for count in range(3) for parts in itertools.product(["/api", "/sub", "/v2", "/x"], repeat=count)]
    arrangements_that_serve = 0
    for seed in range(300):
        app, root = arrangement(random.Random(seed))
        # Whichever of these the app serves, the first of them takes the one that there is.
        served = [path for path in paths if call(app, path + "/x", root) == 200]
        assert len(served) <= 1, (seed, served, root)
        arrangements_that_serve += len(served)
    assert arrangements_that_serve > 100
