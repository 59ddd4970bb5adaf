"""The headers of answers, where they are enabled."""

import time
from email.utils import parsedate_to_datetime

import hiro
import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from sluicegate.slowapi import Limiter
from sluicegate.compat.slowapi.item import parse_many
from sluicegate.slowapi.util import get_remote_address

NAMES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After")


@pytest.fixture
def frozen():
    with hiro.Timeline().freeze() as timeline:
        yield timeline


def limited(build, text, returns=dict, **settings):
    app, limiter = build(**{"headers_enabled": True, **settings})

    @app.get("/")
    @limiter.limit(text)
    def root(request: Request):
        return returns()

    return app, TestClient(app)


def told(answer):
    return [answer.headers.get(name) for name in NAMES]


@pytest.mark.parametrize("returns", [dict, lambda: JSONResponse({})])
def test_they_tell_limit_rest_and_reset_on_every_answer(build, frozen, returns):
    _, client = limited(build, "2/minute", returns)
    reset = str(int(time.time() + 61))
    assert told(client.get("/")) == ["2", "1", reset, "60"]
    frozen.forward(15)
    assert told(client.get("/")) == ["2", "0", reset, "45"]
    denied = client.get("/")
    assert (denied.status_code, told(denied)) == (429, ["2", "0", reset, "45"])
    assert [len(denied.headers.get_list(name)) for name in NAMES] == [1, 1, 1, 1]


def test_who_waits_as_long_as_they_say_passes(build, frozen):
    _, client = limited(build, "1/minute")
    client.get("/")
    frozen.forward(13)
    wait = int(client.get("/").headers["Retry-After"])
    frozen.forward(wait - 1)
    assert client.get("/").status_code == 429
    frozen.forward(1)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("strategy", ["moving-window", "sliding-window-counter"])
def test_a_denial_tells_its_own_wait_under_every_strategy(build, frozen, strategy):
    _, client = limited(build, "2/minute", strategy=strategy)
    client.get("/")
    frozen.forward(30)
    client.get("/")
    wait = int(client.get("/").headers["Retry-After"])
    assert 0 < wait <= 60
    frozen.forward(wait)
    assert client.get("/").status_code == 200


def test_of_several_limits_that_with_the_shortest_period_is_told(build, frozen):
    _, client = limited(build, "10/hour;5/minute;3/2minutes")
    assert told(client.get("/"))[:2] == ["5", "4"]


def test_they_are_not_there_unless_enabled(build):
    _, client = limited(build, "1/minute", headers_enabled=False)
    assert told(client.get("/")) == told(client.get("/")) == [None] * 4


@pytest.mark.parametrize("own", ["120", "30", "Thu, 01 Jan 2099 00:00:00 GMT", "soon"])
def test_a_longer_wait_of_the_endpoint_is_kept(build, frozen, own):
    app, limiter = build(headers_enabled=True)

    @app.get("/")
    @limiter.limit("5/minute")
    async def root(request: Request, response: Response):
        response.headers["Retry-After"] = own
        return {}

    wait = int(TestClient(app).get("/").headers["Retry-After"])
    assert wait == 120 if own == "120" else wait > 10**9 if own.startswith("Thu") else wait == 60


def test_the_wait_may_be_a_date(build, frozen):
    _, client = limited(build, "1/minute", retry_after="http-date")
    value = client.get("/").headers["Retry-After"]
    assert value.endswith(" GMT")
    assert 60 <= parsedate_to_datetime(value).timestamp() - time.time() < 61


def test_a_middleware_and_a_decorator_tell_once(build):
    app, limiter = build(headers_enabled=True, default_limits=["9/minute"], application_limits=["9/hour"])

    @app.get("/plain")
    def plain():
        return Response(headers={"X-RateLimit-Limit": "mine"})

    @app.get("/decorated")
    @limiter.limit("5/minute")
    def decorated(request: Request):
        return {}

    client = TestClient(app)
    for path, limit in [("/plain", "9"), ("/decorated", "5")]:
        assert client.get(path).headers.get_list("X-RateLimit-Limit") == [limit]


def test_a_view_that_was_made_by_hand_is_looked_up():
    limiter = Limiter(get_remote_address, headers_enabled=True)
    (item,) = parse_many("3/minute")
    limiter.limiter.hit(item, "a", "/")
    answer = limiter._inject_headers(Response(), (item, ["a", "/"]))
    assert told(answer)[:2] == ["3", "2"]
    with pytest.raises(TypeError, match="parameter `response` must be an instance"):
        limiter._inject_headers({}, (item, ["a", "/"]))


def test_a_cost_that_never_fits_tells_when_the_account_is_full(build, frozen):
    app, limiter = build(headers_enabled=True)

    @app.get("/")
    @limiter.limit("5/minute", cost=6)
    def root(request: Request):
        return {}

    denied = TestClient(app).get("/")
    assert (denied.status_code, denied.headers["X-RateLimit-Remaining"], denied.headers["Retry-After"]) == (429, "5", "1")
