"""Places of a `RateLimit`: on routes, routers, apps, included and mounted ones, classes, and under any decorator."""


import fastapi
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request
from starlette.responses import JSONResponse

from sluicegate import Limiter
from sluicegate.fastapi import Pass, RateLimit, permit

FASTAPI = tuple(int(part) for part in fastapi.__version__.split(".")[:2])


@pytest.fixture
def limit(limiter):
    """A limit on the test's clock: `Depends(limit("1/minute"))`."""
    return lambda *quotas, **settings: RateLimit(*quotas, limiter=limiter, **settings)


def test_a_route_is_limited_and_no_other(limit, statuses, clock):
    app = FastAPI()

    @app.get("/limited", dependencies=[Depends(limit("2/minute"))])
    async def limited():
        return {}

    @app.get("/free")
    async def free():
        return {}

    assert statuses(app, *["/limited"] * 3) == [200, 200, 429]
    assert statuses(app, *["/free"] * 5) == [200] * 5
    clock.advance(60)
    assert statuses(app, *["/limited"] * 3) == [200, 200, 429]


def test_each_client_has_an_account(limit, ask):
    app = FastAPI(dependencies=[Depends(limit("1/minute"))])

    @app.get("/")
    async def root():
        return {}

    clients = [ask(app, address) for address in ("203.0.113.1", "203.0.113.2", "2001:db8::1", "2001:db8:0:0:5::1")]
    assert [client.get("/").status_code for client in clients] == [200, 200, 200, 429], "a /64 is one client"


@pytest.mark.parametrize("place", ["router", "include", "app"])
def test_each_route_of_a_router_or_an_app_has_accounts_of_its_own(limit, statuses, place):
    limits = {here: [Depends(limit("1/minute"))] if here == place else [] for here in ("router", "include", "app")}
    app = FastAPI(dependencies=limits["app"])
    router = APIRouter(prefix="/v1", dependencies=limits["router"])

    @router.get("/a")
    async def a():
        return {}

    @router.get("/b")
    def b():
        return {}

    app.include_router(router, dependencies=limits["include"])
    assert statuses(app, "/v1/a", "/v1/a", "/v1/b", "/v1/b") == [200, 429, 200, 429]


def test_a_named_limit_is_one_account_across_routes(limit, statuses):
    app = FastAPI(dependencies=[Depends(limit("2/minute", name="all"))])

    @app.get("/a")
    async def a():
        return {}

    @app.get("/b")
    async def b():
        return {}

    assert statuses(app, "/a", "/b", "/a", "/b") == [200, 200, 429, 429]


def test_limits_of_app_router_and_route_all_hold(limit, statuses, clock):
    app = FastAPI(dependencies=[Depends(limit("4/day"))])
    router = APIRouter(dependencies=[Depends(limit("2/day"))])

    @router.get("/a", dependencies=[Depends(limit("1/day"))])
    async def a():
        return {}

    @router.get("/b")
    async def b():
        return {}

    @app.get("/c")
    async def c():
        return {}

    app.include_router(router)
    assert statuses(app, "/a", "/a") == [200, 429]
    assert statuses(app, "/b", "/b", "/b") == [200, 200, 429]
    assert statuses(app, "/c", "/c", "/c", "/c", "/c") == [200, 200, 200, 200, 429]


@pytest.mark.skipif(FASTAPI < (0, 137), reason="before 0.137 an included router loses what is mounted in it")
def test_routes_of_an_app_that_is_mounted_in_an_included_router_are_told_apart(limit, statuses):
    app, router, mounted = FastAPI(), APIRouter(), FastAPI()
    for path in ("/a", "/b"):
        mounted.get(path, dependencies=[Depends(limit("1/minute"))])(lambda: {})
    router.mount("/mounted", mounted)
    app.include_router(router, prefix="/v1")
    both = limit("1/minute")
    for path in ("/c", "/d"):
        mounted.get(path, dependencies=[Depends(both)])(lambda: {})
    assert statuses(app, "/v1/mounted/a", "/v1/mounted/a", "/v1/mounted/b") == [200, 429, 200]
    assert statuses(app, "/v1/mounted/c", "/v1/mounted/c", "/v1/mounted/d") == [200, 429, 200]


def test_workers_agree_on_a_route_whatever_their_first_request_was(limit, statuses):
    def worker():
        app, mounted = FastAPI(), FastAPI()
        mounted.get("/x/{item}", dependencies=[Depends(limit("1/minute"))])(lambda: {})
        app.mount("/models", mounted)
        return app

    assert statuses(worker(), "/models/x/models") == [200]
    assert statuses(worker(), "/models/x/another") == [429]


def test_a_router_that_is_included_twice_is_two_routes(limit, statuses):
    router = APIRouter()

    @router.get("/x", dependencies=[Depends(limit("1/minute"))])
    async def x():
        return {}

    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    assert statuses(app, "/v1/x", "/v1/x", "/v2/x", "/v2/x") == [200, 429, 200, 429]


def test_routers_in_routers_are_limited(limit, statuses):
    inner, middle = APIRouter(prefix="/inner"), APIRouter(prefix="/middle")

    @inner.get("/dependency", dependencies=[Depends(limit("1/minute"))])
    async def dependency():
        return {}

    @inner.get("/decorated")
    @limit("1/minute")
    async def decorated():
        return {}

    middle.include_router(inner)
    app = FastAPI()
    app.include_router(middle, prefix="/v1")
    for path in ("/v1/middle/inner/dependency", "/v1/middle/inner/decorated"):
        assert statuses(app, path, path) == [200, 429]


def test_mounted_apps_are_limited_where_they_are_mounted(limit, statuses):
    sub = FastAPI()

    @sub.get("/x", dependencies=[Depends(limit("1/minute"))])
    async def x():
        return {}

    app = FastAPI()
    app.mount("/a", sub)
    app.mount("/b", sub)
    assert statuses(app, "/a/x", "/a/x", "/b/x", "/b/x") == [200, 429, 200, 429]


def test_a_mount_with_a_parameter_is_one_route_for_all_its_values(limit, statuses):
    def build(**settings):
        sub = FastAPI()

        @sub.get("/x/{item}", dependencies=[Depends(limit("1/minute", **settings))])
        async def x(item):
            return {}

        app = FastAPI()
        app.mount("/models/{model}", sub)
        return app

    assert statuses(build(), "/models/a/x/1", "/models/b/x/1", "/models/a/x/2") == [200, 429, 429]
    assert statuses(build(key="path:model"), "/models/c/x/1", "/models/d/x/1", "/models/c/x/2") == [200, 200, 429]


def test_a_root_path_of_a_proxy_is_no_part_of_the_route(limit, ask):
    app = FastAPI()

    @app.get("/x", dependencies=[Depends(limit("1/minute"))])
    async def x():
        return {}

    assert ask(app, root_path="/blue").get("/x").status_code == 200
    assert ask(app, root_path="/green").get("/x").status_code == 429


def test_path_parameters_are_one_route_unless_the_key_has_them(limit, statuses):
    app = FastAPI()

    @app.get("/one/{item}", dependencies=[Depends(limit("2/minute"))])
    async def one(item: int):
        return {}

    @app.get("/each/{item}", dependencies=[Depends(limit("2/minute", key=["client_ip", "path:item"]))])
    async def each(item: int):
        return {}

    assert statuses(app, "/one/1", "/one/2", "/one/3") == [200, 200, 429]
    assert statuses(app, "/each/1", "/each/2", "/each/1", "/each/1", "/each/2", "/each/2") == [200, 200, 200, 429, 200, 429]


def test_methods_of_a_path_are_limited_each_by_its_own(limit, ask):
    app = FastAPI()

    @app.get("/x", dependencies=[Depends(limit("1/minute"))])
    async def read():
        return {}

    @app.post("/x", dependencies=[Depends(limit("2/minute"))])
    async def write():
        return {}

    client = ask(app)
    assert [client.get("/x").status_code for _ in range(2)] == [200, 429]
    assert [client.post("/x").status_code for _ in range(3)] == [200, 200, 429]


def test_head_and_options_are_requests_too(limit, ask):
    app = FastAPI()

    @app.api_route("/x", methods=["GET", "HEAD", "OPTIONS"], dependencies=[Depends(limit("3/minute"))])
    async def x():
        return {}

    client = ask(app)
    assert [client.request(method, "/x").status_code for method in ("HEAD", "OPTIONS", "GET", "GET")] == [200, 200, 200, 429]
    denied = client.head("/x")
    assert denied.status_code == 429
    assert "retry-after" in denied.headers


def test_methods_of_a_class_are_limited(limit, statuses):
    router = APIRouter()

    class Models:
        def __init__(self):
            router.add_api_route("/models", self.all, dependencies=[Depends(limit("1/minute"))])
            router.add_api_route("/models/{name}", limit("1/minute")(self.one))

        async def all(self):
            return ["gpt"]

        def one(self, name: str):
            return name

    Models()
    app = FastAPI()
    app.include_router(router)
    assert statuses(app, "/models", "/models", "/models/a", "/models/b") == [200, 429, 200, 429]


def test_background_tasks_run_for_whoever_passes(limit, statuses):
    app, ran = FastAPI(), []

    @app.get("/", dependencies=[Depends(limit("1/minute"))])
    async def root(tasks: BackgroundTasks):
        tasks.add_task(ran.append, "dependency")
        return {}

    @app.get("/decorated")
    @limit("1/minute")
    async def decorated(tasks: BackgroundTasks):
        tasks.add_task(ran.append, "decorated")
        return {}

    assert statuses(app, "/", "/", "/decorated", "/decorated") == [200, 429, 200, 429]
    assert ran == ["dependency", "decorated"]


def test_two_apps_with_their_own_limiters_know_nothing_of_each_other(statuses):
    def build():
        app = FastAPI(dependencies=[Depends(RateLimit("1/minute", limiter=Limiter()))])

        @app.get("/")
        async def root():
            return {}

        return app

    first, second = build(), build()
    assert statuses(first, "/", "/") == [200, 429]
    assert statuses(second, "/", "/") == [200, 429]


def test_a_limit_gives_the_endpoint_its_permit(limit, ask):
    app = FastAPI()

    @app.get("/dependency")
    async def dependency(given: Pass = Depends(limit("5/minute"))):
        return given.balances[0].remaining

    @app.get("/decorated")
    @limit("5/minute")
    async def decorated(request: Request):
        return permit(request).balances[0].remaining

    @app.get("/free")
    async def free(request: Request):
        return permit(request) is None

    client = ask(app)
    assert [client.get(path).json() for path in ("/dependency", "/decorated", "/free")] == [4, 4, True]


def test_a_dependency_can_be_overridden_in_tests_of_an_app(limit, statuses):
    limiting = limit("1/minute")
    app = FastAPI()

    @app.get("/", dependencies=[Depends(limiting)])
    async def root():
        return {}

    app.dependency_overrides[limiting] = lambda: None
    assert statuses(app, "/", "/") == [200, 200]
    app.dependency_overrides.clear()
    assert statuses(app, "/", "/") == [200, 429]


def test_one_limit_object_on_several_routes_keeps_them_apart(limit, statuses):
    limiting, app = limit("1/minute"), FastAPI()

    @app.get("/a", dependencies=[Depends(limiting)])
    async def a():
        return {}

    @app.get("/b")
    @limiting
    async def b():
        return {}

    assert statuses(app, "/a", "/a", "/b", "/b") == [200, 429, 200, 429]


def test_a_denial_of_an_inner_dependency_is_answered_too(limit, statuses):
    async def user(given: Pass = Depends(limit("1/minute"))):
        return "alice"

    app = FastAPI()

    @app.get("/")
    async def root(name: str = Depends(user)):
        return JSONResponse(name)

    assert statuses(app, "/", "/") == [200, 429]
