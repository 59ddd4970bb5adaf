"""The names, arguments and state that apps written for fastapi-limiter use."""

import inspect

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient

from sluicegate import Limiter
from sluicegate.fastapi_limiter import FastAPILimiter, default_identifier, http_default_callback, ws_default_callback
from sluicegate.fastapi_limiter.depends import RateLimiter, WebSocketRateLimiter


def app_with(limiter):
    app = FastAPI()
    app.get("/", dependencies=[Depends(limiter)])(lambda: "ok")
    return app


def test_arguments_have_the_peers_names_order_and_defaults():
    def defaults(of):
        return {
            name: parameter.default
            for name, parameter in inspect.signature(of).parameters.items()
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        }

    limit = {"times": 1, "milliseconds": 0, "seconds": 0, "minutes": 0, "hours": 0, "identifier": None, "callback": None}
    assert list(defaults(RateLimiter).items()) == list(limit.items())
    assert WebSocketRateLimiter(3, 0, 5).milliseconds == 5000
    assert list(defaults(FastAPILimiter.init).items()) == [
        ("redis", inspect.Parameter.empty),
        ("prefix", "fastapi-limiter"),
        ("identifier", default_identifier),
        ("http_callback", http_default_callback),
        ("ws_callback", ws_default_callback),
    ]


def test_init_sets_the_state_of_the_class(serve, limiter):
    async def identifier(request):
        return "me"

    serve(FastAPI(), limiter, prefix="mine", identifier=identifier)
    assert FastAPILimiter.redis is limiter
    assert (FastAPILimiter.prefix, FastAPILimiter.identifier) == ("mine", identifier)
    assert (FastAPILimiter.http_callback, FastAPILimiter.ws_callback) == (http_default_callback, ws_default_callback)


def test_a_limit_before_init_says_what_is_missing():
    FastAPILimiter.redis = None
    client = TestClient(app_with(RateLimiter(times=1, seconds=1)))
    with pytest.raises(Exception, match="You must call FastAPILimiter.init in startup event of fastapi!"):
        client.get("/")


def test_a_callback_gets_request_response_and_whole_milliseconds(serve, limiter, clock):
    seen = []

    async def callback(request, response, pexpire):
        seen.append((type(request), type(response), pexpire))
        raise HTTPException(420, "calm down")

    client = serve(app_with(RateLimiter(times=1, seconds=5)), limiter, http_callback=callback)
    client.get("/")
    clock.advance(1.2344)
    assert client.get("/").json() == {"detail": "calm down"}
    assert seen == [(Request, Response, 3766)]


def test_a_limits_own_callback_and_identifier_come_before_those_of_init(serve, limiter):
    async def everybody(request):
        return "everybody"

    async def each(request):
        return request.query_params["name"]

    async def teapot(request, response, pexpire):
        raise HTTPException(418)

    limit = RateLimiter(times=1, seconds=5, identifier=each, callback=teapot)
    client = serve(app_with(limit), limiter, identifier=everybody)
    assert [client.get("/", params={"name": name}).status_code for name in "aba"] == [200, 200, 418]


def test_identifiers_and_callbacks_may_be_plain_functions(serve, limiter):
    def teapot(request, response, pexpire):
        raise HTTPException(418)

    client = serve(app_with(RateLimiter(times=1, seconds=5)), limiter, identifier=lambda request: "me", http_callback=teapot)
    assert [client.get("/").status_code for _ in range(2)] == [200, 418]


@pytest.mark.parametrize("nobody", [None, ""])
def test_whom_an_identifier_does_not_name_is_told_by_the_address(serve, limiter, nobody):
    async def identifier(request):
        return nobody

    app = app_with(RateLimiter(times=1, seconds=5))
    first = serve(app, limiter, identifier=identifier, address=("192.0.2.1", 1))
    second = serve(app, limiter, identifier=identifier, address=("192.0.2.2", 1))
    assert [client.get("/").status_code for client in (first, first, second)] == [200, 429, 200]


def test_a_subclass_may_count_in_its_own_way(serve, limiter):
    class Counted(RateLimiter):
        async def _check(self, key):
            keys.append(key)
            return await super()._check(key)

    keys = []
    client = serve(app_with(Counted(times=1, seconds=5)), limiter)
    denied = [client.get("/") for _ in range(2)][1]
    assert (denied.status_code, denied.headers["retry-after"]) == (429, "5")
    assert keys == ["fastapi-limiter:testclient:/:GET /:0"] * 2


def test_a_subclass_may_be_made_in_its_own_way(serve, limiter, statuses):
    class Setting(RateLimiter):
        def __init__(self, text):
            self.times, self.milliseconds = (int(number) for number in text.split("/"))
            self.identifier = self.callback = None

    assert statuses(serve(app_with(Setting("2/1000")), limiter), "/", 3) == [200, 200, 429]


def test_another_init_with_the_same_store_forgets_nothing(serve, statuses):
    store = "memory://"
    app = app_with(RateLimiter(times=2, minutes=1))
    assert statuses(serve(app, store), "/", 1) == [200]
    assert statuses(serve(app, store), "/", 2) == [200, 429]


def test_limits_go_on_after_close(serve, statuses):
    client = serve(app_with(RateLimiter(times=1, minutes=1)), "memory://")
    client.portal.call(FastAPILimiter.close)
    assert statuses(client, "/", 2) == [200, 429]


def test_what_is_no_redis_client_is_an_error_that_says_what_to_give(serve):
    with pytest.raises(TypeError, match="A URL such as 'redis://.*' or a sluicegate.Limiter"):
        serve(FastAPI(), object())


def test_a_limiter_has_its_store(serve):
    with pytest.raises(TypeError, match="a Limiter has its store"):
        serve(FastAPI(), Limiter(), store={"outage": "deny"})
