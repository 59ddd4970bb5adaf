"""Quotas from a callable: no limit, a limit that admits nothing, and nonsense."""

import functools
import logging

import pytest
from fastapi import Depends, FastAPI

from sluicegate import Limiter, PolicyError, Quota
from sluicegate.asgi import RateLimitMiddleware
from sluicegate.fastapi import RateLimit

NONSENSE = ["", "1/minuet", "ten", [], [None], 5, object(), {"a": 1}, "1 items/minute; 1 tokens/minute", b"1/minute", ("1/minute", "")]


def asked_for(request):
    """Gives what the test has put there."""
    return request.app.state.given


async def asked_for_later(request):
    return request.app.state.given


class Plans:
    def __call__(self, request):
        return request.app.state.given


@pytest.fixture(params=["dependency", "decorator"])
def limited(request, limiter):
    """An app whose quotas a callable gives: `limited(asked_for, "10/minute")`."""

    def limited(ask, given, **settings):
        app, limit = FastAPI(), RateLimit(ask, limiter=limiter, **settings)
        app.state.given = given
        if request.param == "dependency":
            app.get("/", dependencies=[Depends(limit)])(lambda: {})
        else:
            app.get("/")(limit(lambda: {}))
        return app

    return limited


@pytest.mark.parametrize("asking", [asked_for, asked_for_later, Plans()])
def test_none_is_no_limit(limited, ask, asking):
    app = limited(asking, None)
    client = ask(app)
    answers = [client.get("/") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert "ratelimit" not in answers[0].headers
    app.state.given = "1/minute"
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("zero", ["0/minute", "0 per hour", Quota.of(0, 60), ["5/minute", "0/day"], "0 concurrent"], ids=str)
def test_zero_lets_nothing_pass(limited, ask, zero):
    client = ask(limited(asked_for, zero))
    answers = [client.get("/") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 429]
    assert "lets nothing pass" in answers[0].json()["detail"]
    assert "retry-after" not in answers[0].headers
    assert answers[0].headers["x-should-retry"] == "false"


@pytest.mark.parametrize("algorithm", ["token-bucket", "fixed-window", "sliding-window", "sliding-log"])
def test_zero_lets_nothing_pass_as_it_is_written_or_in_the_policy(limiter, ask, algorithm):
    app = FastAPI()
    app.get("/", dependencies=[Depends(RateLimit("0/minute", limiter=limiter, algorithm=algorithm))])(lambda: {})
    policed = RateLimitMiddleware(app, {"defaults": {"limits": ["0/minute"], "algorithm": algorithm}})
    for asked in (app, policed):
        answer = ask(asked).get("/")
        assert (answer.status_code, "retry-after" in answer.headers) == (429, False)


@pytest.mark.parametrize("store", ["redis", "memcached"])
def test_zero_lets_nothing_pass_in_a_store_elsewhere(arrange, ask, store):
    algorithms = ("token-bucket", "fixed-window", "sliding-window", "sliding-log")
    zeros = [{"name": algorithm, "quota": "0/minute", "algorithm": algorithm} for algorithm in algorithms]
    # Memcached keeps no slots.
    zeros += [{"name": "slots", "quota": "0 concurrent"}] if store == "redis" else []
    routes = [{"path": f"/{zero['name']}", "limits": ["100/minute", zero]} for zero in zeros]
    app = FastAPI()
    app.get("/{name}")(lambda name: {})
    limiter = Limiter(arrange(store).url, policy={"store": {"timeout": "1s"}, "route": routes})
    client = ask(RateLimitMiddleware(app, limiter=limiter))
    for route in routes:
        answers = [client.get(route["path"]) for _ in range(2)]
        assert [(answer.status_code, "retry-after" in answer.headers) for answer in answers] == [(429, False)] * 2
        assert "lets nothing pass" in answers[0].json()["detail"]


@pytest.mark.parametrize("given", NONSENSE, ids=repr)
def test_nonsense_is_logged_and_answered_with_503(limited, ask, caplog, given):
    client = ask(limited(asked_for, given))
    answers = [client.get("/") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].headers["retry-after"] == "1"
    [first, _] = [record for record in caplog.records if record.levelno == logging.ERROR and record.name == "sluicegate"]
    assert f"{__name__}.asked_for gave {given!r}" in first.getMessage()


@pytest.mark.parametrize("given", NONSENSE, ids=repr)
def test_nonsense_meets_the_default_quotas_where_there_are_some(limited, ask, caplog, given):
    app = limited(asked_for, given, default="2/minute")
    client = ask(app)
    assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
    assert f"gave {given!r}" in caplog.text
    app.state.given = None
    assert client.get("/").status_code == 200


def test_a_callable_without_a_name_is_told_by_what_it_is(limited, ask, caplog):
    assert ask(limited(functools.partial(asked_for), "")).get("/").status_code == 503
    assert "functools.partial(<function asked_for" in caplog.text


@pytest.mark.parametrize("settings", [{"cost": lambda request: "seven"}, {"cost": lambda request: -1}, {"tier": lambda request: 5, "tiers": {"a": 1}}])
def test_a_cost_or_a_tier_that_makes_no_sense_is_logged_and_answered_with_503(limited, ask, caplog, settings):
    assert ask(limited(asked_for, "5/minute", **settings)).get("/").status_code == 503
    assert "<lambda> gave" in caplog.text


def test_a_default_that_is_none_is_an_error_where_it_is_written():
    with pytest.raises(PolicyError, match="minuet"):
        RateLimit(asked_for, default="1/minuet")
    with pytest.raises(PolicyError, match="callable"):
        RateLimit("1/minute", default="1/minute")
