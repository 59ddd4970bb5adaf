"""The account of a request: one for each route, limit and caller, the same in every process."""

import fastapi
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response, WebSocket
from starlette.websockets import WebSocketDisconnect

from sluicegate.compat.fastapi_limiter import depends
from sluicegate.fastapi_limiter.depends import RateLimiter

FASTAPI = tuple(int(part) for part in fastapi.__version__.split(".")[:2])


@pytest.fixture
def keys():
    return []


@pytest.fixture
def limit(keys):
    """A limit that writes its keys down: `limit(times=5, minutes=1)`."""

    class Written(RateLimiter):
        async def _check(self, key):
            keys.append(key)
            return await super()._check(key)

    def limit(times=100, **settings):
        return Written(times=times, **(settings or {"minutes": 1}))

    return limit


async def everybody(request):
    return "everybody"


def endpoint():
    return "ok"


def test_a_key_names_the_route_by_its_whole_template_and_the_limit_by_its_number(serve, limiter, keys, limit):
    inner = APIRouter(prefix="/inner", dependencies=[Depends(limit())])
    inner.get("/{item}", dependencies=[Depends(limit()), Depends(limit())])(endpoint)
    app = FastAPI()
    app.include_router(inner, prefix="/v1")
    assert serve(app, limiter).get("/v1/inner/a").status_code == 200
    caller = "fastapi-limiter:testclient:/v1/inner/a"
    assert keys == [f"{caller}:GET /v1/inner/{{item}}:{number}" for number in range(3)]


def test_routes_are_found_in_routers_that_are_included_in_others(serve, limiter, statuses, limit):
    inner, outer, app = APIRouter(), APIRouter(), FastAPI()
    inner.get("/x", dependencies=[Depends(limit(1))])(endpoint)
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/v1")
    app.include_router(outer, prefix="/v2")
    client = serve(app, limiter, identifier=everybody)
    assert statuses(client, "/v1/inner/x", 2) == [200, 429]
    assert statuses(client, "/v2/inner/x", 2) == [200, 429]


def test_values_of_path_parameters_are_one_account_where_the_identifier_has_no_path(serve, limiter, limit):
    app = FastAPI()
    app.get("/users/{user}", dependencies=[Depends(limit(2))])(endpoint)
    client = serve(app, limiter, identifier=everybody)
    assert [client.get(f"/users/{user}").status_code for user in "abc"] == [200, 200, 429]


def test_unrelated_routes_share_no_account_where_the_identifier_has_no_path(serve, limiter, limit):
    def write(_: None = Depends(limit(1, seconds=5))):
        return "ok"

    app = FastAPI()
    app.get("/p/{item}", dependencies=[Depends(limit(1, seconds=5))])(endpoint)
    app.get("/q/{item}", dependencies=[Depends(limit(1, minutes=1))])(endpoint)
    app.get("/in-the-signature")(write)
    client = serve(app, limiter, identifier=everybody)
    assert [client.get(path).status_code for path in ("/q/1", "/p/1", "/in-the-signature")] == [200, 200, 200]
    assert [client.get(path).status_code for path in ("/q/1", "/p/1", "/in-the-signature")] == [429, 429, 429]


def test_limits_have_numbers_wherever_a_route_depends_on_them(serve, limiter, keys, limit):
    def nested(_: None = Depends(limit())):
        pass

    def write(_: None = Depends(limit()), __: None = Depends(nested)):
        return "ok"

    app = FastAPI(dependencies=[Depends(limit())])
    app.get("/", dependencies=[Depends(limit())])(write)
    assert serve(app, limiter).get("/").status_code == 200
    assert sorted(key[-1] for key in keys) == ["0", "1", "2", "3"]


def test_a_limit_that_several_routes_use_counts_each_by_itself(serve, limiter, statuses, limit):
    shared, app = limit(1), FastAPI()
    app.get("/a", dependencies=[Depends(shared)])(endpoint)
    app.get("/b", dependencies=[Depends(shared)])(endpoint)
    client = serve(app, limiter, identifier=everybody)
    assert statuses(client, "/a", 2) + statuses(client, "/b", 2) == [200, 429, 200, 429]


def test_the_methods_of_one_route_share_an_account_and_two_routes_on_a_path_do_not(serve, limiter, limit):
    app = FastAPI()
    app.api_route("/one", methods=["GET", "POST"], dependencies=[Depends(limit(1))])(endpoint)
    app.get("/two", dependencies=[Depends(limit(1))])(endpoint)
    app.post("/two", dependencies=[Depends(limit(1))])(endpoint)
    client = serve(app, limiter)
    assert [client.request(method, "/one").status_code for method in ("GET", "POST")] == [200, 429]
    assert [client.request(method, "/two").status_code for method in ("GET", "POST")] == [200, 200]


def test_a_mounted_apps_routes_are_its_own_and_not_told_apart_by_the_mounts_parameters(serve, limiter, keys, limit):
    shared, app, mounted = limit(), FastAPI(), FastAPI()
    mounted.get("/x/{item}", dependencies=[Depends(shared)])(endpoint)
    app.get("/x/{item}", dependencies=[Depends(shared)])(endpoint)
    app.mount("/mounted", mounted)
    app.mount("/tenants/{tenant}", mounted)
    client = serve(app, limiter, identifier=everybody)
    for path in ("/x/1", "/mounted/x/1", "/tenants/a/x/1", "/tenants/b/x/2"):
        assert client.get(path).status_code == 200
    assert [key.split(":")[2] for key in keys] == [
        "GET /x/{item}",
        "GET /mounted/x/{item}",
        "GET /tenants/{tenant}/x/{item}",
        "GET /tenants/{tenant}/x/{item}",
    ]


def test_paths_without_number_fill_no_memory(serve, limiter, limit, monkeypatch):
    monkeypatch.setattr(depends, "_MOST", 3)
    shared, app, mounted = limit(), FastAPI(), FastAPI()
    mounted.get("/", dependencies=[Depends(shared)])(endpoint)
    app.mount("/tenants/{tenant}", mounted)
    client = serve(app, limiter)
    assert [client.get(f"/tenants/{tenant}/").status_code for tenant in range(10)] == [200] * 10
    assert len(shared._places) <= 3


def test_a_mounted_routes_own_parameter_may_have_the_name_of_the_mount(serve, limiter, keys, limit):
    app, mounted = FastAPI(), FastAPI()
    mounted.get("/x/{item}", dependencies=[Depends(limit())])(endpoint)
    app.mount("/models", mounted)
    serve(app, limiter, identifier=everybody).get("/models/x/models")
    assert keys == ["fastapi-limiter:everybody:GET /models/x/{item}:0"]


@pytest.mark.skipif(FASTAPI < (0, 137), reason="before 0.137 an included router loses what is mounted in it")
def test_the_routes_of_an_app_that_is_mounted_in_an_included_router_are_told_apart(serve, limiter, keys, limit):
    app, router, mounted = FastAPI(), APIRouter(), FastAPI()
    for path in ("/a", "/b"):
        mounted.get(path, dependencies=[Depends(limit(1))])(endpoint)
    router.mount("/mounted", mounted)
    app.include_router(router, prefix="/v1")
    client = serve(app, limiter, identifier=everybody)
    assert [client.get(f"/v1/mounted/{path}").status_code for path in "aab"] == [200, 429, 200]
    assert keys[0] == "fastapi-limiter:everybody:GET /v1/mounted/a:0"


def test_a_path_that_a_proxy_cuts_off_is_no_part_of_a_key(serve, limiter, keys, limit):
    app, mounted = FastAPI(root_path="/behind/a/proxy"), FastAPI()
    mounted.get("/x", dependencies=[Depends(limit())])(endpoint)
    app.get("/x", dependencies=[Depends(limit())])(endpoint)
    app.mount("/models", mounted)
    client = serve(app, limiter, identifier=everybody)
    assert [client.get(path).status_code for path in ("/x", "/behind/a/proxy/models/x")] == [200, 200]
    assert [key.split(":")[2] for key in keys] == ["GET /x", "GET /models/x"]


def test_a_get_beside_a_websocket_on_one_path_is_limited(serve, limiter, statuses, limit):
    app = FastAPI()

    @app.websocket("/")
    async def updates(websocket: WebSocket):
        await websocket.accept()
        await websocket.close()

    app.get("/", dependencies=[Depends(limit(1))])(endpoint)
    assert statuses(serve(app, limiter), "/", 2) == [200, 429]


def test_a_limit_on_a_whole_app_holds_for_its_websockets_too(serve, limiter, keys, limit):
    app = FastAPI(dependencies=[Depends(limit(1))])

    @app.websocket("/updates")
    async def updates(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    client = serve(app, limiter)
    with client.websocket_connect("/updates") as websocket:
        assert websocket.receive_text() == "hello"
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/updates"):
        pass
    assert keys == ["fastapi-limiter:testclient:/updates:WS /updates:0"] * 2


def test_limits_that_are_called_by_hand_are_told_apart_by_what_they_allow(serve, limiter, keys, limit):
    few, many, app = limit(1), limit(2), FastAPI()

    @app.get("/")
    async def by_hand(request: Request, response: Response):
        await many(request, response)
        await few(request, response)

    client = serve(app, limiter)
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]
    assert [key.rsplit(":", 1)[1] for key in keys] == ["2/60000", "1/60000"] * 2
