"""Charges for requests that FastAPI finds invalid and answers with 422."""

import pytest
from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel

from sluicegate.fastapi import RateLimit, RateLimitMiddleware
from sluicegate.slowapi import Limiter as SlowAPI
from sluicegate.slowapi.util import get_remote_address


class Item(BaseModel):
    size: int


NO_JSON = "a body that is no JSON"
WRONG = {
    "a body of another shape": {"json": {"size": "large"}},
    NO_JSON: {"content": b"{", "headers": {"content-type": "application/json"}},
    "a parameter": {"json": {"size": 1}, "params": {"page": "first"}},
    "a header": {"json": {"size": 1}, "headers": {"x-number": "one"}},
}
RIGHT = {"json": {"size": 1}}


def app_with(place, limit):
    app = FastAPI()

    async def endpoint(item: Item, page: int = 1, x_number: int = Header(1)):
        return {}

    if place in ("decorator", "slowapi's decorator"):
        endpoint = limit(endpoint)
    elif place == "middleware":
        app.add_middleware(RateLimitMiddleware, policy={"defaults": {"limits": ["2/minute"]}})
    app.post("/", dependencies=[Depends(limit)] if place == "dependency" else [])(endpoint)
    return app


@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG if wrong != NO_JSON])
@pytest.mark.parametrize(
    "place, statuses",
    [
        ("dependency", [422, 422, 429, 429]),
        ("middleware", [422, 422, 429, 429]),
        ("decorator", [422, 422, 422, 200]),
        ("slowapi's decorator", [422, 422, 422, 200]),
    ],
)
def test_a_dependency_and_the_middleware_charge_it_and_a_decorator_does_not(limiter, ask, place, statuses, wrong):
    limit = RateLimit("2/minute", limiter=limiter)
    if place == "slowapi's decorator":
        limit = SlowAPI(get_remote_address, request_parameter="optional").limit("2/minute")
    client = ask(app_with(place, limit))
    assert [client.post("/", **request).status_code for request in [WRONG[wrong]] * 3 + [RIGHT]] == statuses


@pytest.mark.parametrize("place, charged", [("dependency", False), ("decorator", False), ("middleware", True)])
def test_a_body_that_is_no_json_is_charged_by_the_middleware_alone(limiter, ask, place, charged):
    client = ask(app_with(place, RateLimit("2/minute", limiter=limiter)))
    statuses = [client.post("/", **WRONG[NO_JSON]).status_code for _ in range(3)]
    assert statuses == [422, 422, 429 if charged else 422]


def test_a_limit_around_the_decorators_charges_what_they_do_not(limiter, ask):
    app = FastAPI(dependencies=[Depends(RateLimit("3/minute", limiter=limiter, name="all"))])
    app.post("/")(RateLimit("1/minute", limiter=limiter)(lambda item: {}))
    client = ask(app)
    assert [client.post("/").status_code for _ in range(4)] == [422, 422, 422, 429]
