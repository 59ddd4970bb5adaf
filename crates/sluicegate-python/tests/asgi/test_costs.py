"""The default cost of a request: one request or one slot, and never one of anything else."""

from typing import Annotated

import pytest
from fastapi import Body, Depends, FastAPI

from sluicegate import Limiter, PolicyError, Quota
from sluicegate.fastapi import RateLimit, RateLimitMiddleware

UNITS = ["items", "tokens", "input_tokens", "output_tokens", "bytes", "usd"]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("form", ["text", "several", "quota"])
def test_a_quota_of_another_unit_without_a_cost_is_an_error_where_it_is_written(unit, form):
    text = f"1000 {unit}/minute"
    quotas = {"text": (text,), "several": ("60/minute", f"2 concurrent; {text}"), "quota": (Quota.parse(text),)}

    with pytest.raises(PolicyError, match=f"nothing counts the {unit} of .*give cost=: a number.*/inputs.*callable"):
        RateLimit(*quotas[form])


@pytest.mark.parametrize("quotas", [("5/minute",), ("2 concurrent",), ("5/minute; 2 concurrent",)])
def test_requests_and_slots_cost_one_each(quotas, limiter, statuses):
    app = FastAPI()

    @app.get("/", dependencies=[Depends(RateLimit(*quotas, limiter=limiter))])
    async def root(): ...

    assert statuses(app, *["/"] * 5) == [200] * 5


def test_a_cost_of_one_that_is_written_is_one(limiter, statuses):
    app = FastAPI()

    @app.get("/", dependencies=[Depends(RateLimit("2 items/minute", cost=1, limiter=limiter))])
    async def root(): ...

    assert statuses(app, *["/"] * 3) == [200, 200, 429]


@pytest.mark.parametrize("as_decorator", [True, False])
def test_a_callable_that_tells_no_cost_lets_nothing_pass(limiter, ask, caplog, as_decorator):
    limit = RateLimit("10 tokens/minute", cost=lambda request: None, limiter=limiter)
    app = FastAPI()

    async def root(): ...

    app.get("/", dependencies=[] if as_decorator else [Depends(limit)])(limit(root) if as_decorator else root)

    assert ask(app).get("/").status_code == 503
    assert "a cost in tokens is a number, and what finds it gave None" in caplog.text


@pytest.mark.parametrize("as_decorator", [True, False])
@pytest.mark.parametrize("quotas", [("10 items/minute",), ("10/minute",), (lambda request: ["10 items/minute", "2 concurrent"],)])
def test_a_batch_above_the_most_items_is_413_and_charges_nothing(limiter, ask, as_decorator, quotas):
    limit = RateLimit(*quotas, cost="/inputs", max_items=4, limiter=limiter)
    app = FastAPI()

    async def predict(inputs: Annotated[list[int] | int, Body(embed=True)] = 0): ...

    app.post("/", dependencies=[] if as_decorator else [Depends(limit)])(limit(predict) if as_decorator else predict)
    client = ask(app)

    for inputs in ([1, 2, 3, 4, 5], 5, 1_000_000):
        refused = client.post("/", json={"inputs": inputs})
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_many_items")
        assert "at most 4 are taken at once" in refused.json()["detail"]
        assert "retry-after" not in refused.headers
    assert ";r=6" in client.post("/", json={"inputs": [1, 2, 3, 4]}).headers["ratelimit"]


def test_the_most_items_of_a_limit_that_counts_none_in_the_body_is_an_error_where_it_is_written():
    for given in ({}, {"cost": 5}, {"cost": lambda request: 5}):
        with pytest.raises(PolicyError, match="max_items is for items that are counted in the body; give cost="):
            RateLimit("10/minute", max_items=4, **given)
    for none in (0, -1):
        with pytest.raises(PolicyError, match=f"max_items is a whole number, at least 1, not {none}"):
            RateLimit("10/minute", cost="/inputs", max_items=none)
    for unit in ("tokens", "bytes", "usd"):
        with pytest.raises(PolicyError, match=f"at most 4 items, and the cost counts {unit}"):
            RateLimit(f"10 {unit}/minute", cost="/max_tokens", max_items=4)


def test_quotas_by_a_callable_need_a_cost_too(limiter, ask, caplog):
    app = FastAPI()

    @app.get("/", dependencies=[Depends(RateLimit(lambda request: "10 tokens/minute", limiter=limiter))])
    async def root(): ...

    assert ask(app).get("/").status_code == 503
    assert "nothing counts the tokens" in caplog.text


@pytest.mark.parametrize(
    "policy",
    [
        {"route": [{"path": "/", "limits": ["10 bytes/minute"]}]},
        {"defaults": {"limits": ["10 items/minute"]}},
        {"limits": {"big": {"quota": "10 items/minute"}}, "route": [{"path": "/", "limits": ["big"]}]},
    ],
)
def test_a_policy_without_a_meter_is_an_error_where_it_is_read(policy):
    with pytest.raises(PolicyError, match="meter"):
        RateLimitMiddleware(FastAPI(), policy=policy)
    with pytest.raises(PolicyError, match="meter"):
        Limiter(policy=policy)
