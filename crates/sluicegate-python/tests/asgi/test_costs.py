"""What a request costs where nobody says it: one request or one slot, and never one of anything else."""

import pytest
from fastapi import Depends, FastAPI

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
