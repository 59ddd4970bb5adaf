"""Costs and keys that stand in the body, which the endpoint reads all the same; and costs that are known only afterwards."""

import asyncio
import json
from typing import Annotated

import pytest
from fastapi import Body, Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from sluicegate import Limiter
from sluicegate.fastapi import Pass, RateLimit

BATCH = {"inputs": ["a", "b", "c"], "note": "é"}


@pytest.fixture
def client(limiter, ask):
    """A client of endpoints that read their bodies in all ways there are."""
    app = FastAPI()

    def limit():
        return RateLimit("10 items/minute", cost="/inputs", limiter=limiter)

    @app.post("/dependency/dict", dependencies=[Depends(limit())])
    async def as_dict(body: dict):
        return body

    @app.post("/dependency/field", dependencies=[Depends(limit())])
    async def as_field(inputs: Annotated[list[str], Body(embed=True)], note: Annotated[str, Body(embed=True)]):
        return {"inputs": inputs, "note": note}

    @app.post("/dependency/bytes", dependencies=[Depends(limit())])
    async def as_bytes(request: Request):
        return json.loads(await request.body())

    @app.post("/dependency/stream", dependencies=[Depends(limit())])
    async def as_stream(request: Request):
        return json.loads(b"".join([chunk async for chunk in request.stream()]))

    @app.post("/decorated/dict")
    @limit()
    async def decorated_dict(body: dict):
        return body

    @app.post("/decorated/plain")
    @limit()
    def decorated_plain(body: dict):
        return body

    @app.post("/decorated/stream")
    @limit()
    async def decorated_stream(request: Request):
        return json.loads(b"".join([chunk async for chunk in request.stream()]))

    @limit()
    async def starlette(request):
        return JSONResponse(await request.json())

    app.mount("/starlette", Starlette(routes=[Route("/json", starlette, methods=["POST"])]))
    return ask(app)


PATHS = [
    "/dependency/dict",
    "/dependency/field",
    "/dependency/bytes",
    "/dependency/stream",
    "/decorated/dict",
    "/decorated/plain",
    "/decorated/stream",
    "/starlette/json",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_pointer_finds_the_cost_and_the_endpoint_reads_the_body(client, path):
    answers = [client.post(path, json=BATCH) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert all(answer.json() == BATCH for answer in answers[:3])
    assert ";r=1;" in answers[2].headers["ratelimit"]


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_comes_in_pieces_is_one(client, path):
    pieces = iter([b'{"inputs": ["a"', b"", b', "b"], "no', b'te": "\xc3\xa9"}'])
    answer = client.post(path, content=pieces, headers={"content-type": "application/json"})
    assert answer.json() == {"inputs": ["a", "b"], "note": "é"}
    assert ";r=8;" in answer.headers["ratelimit"]


@pytest.mark.parametrize("body, status", [(b"{", 400), (b"{}", 400), (b'{"inputs": "text"}', 400), (b"", 400), (b'{"inputs": -1}', 400)])
def test_a_body_without_its_cost_is_refused_and_never_free(client, body, status):
    answer = client.post("/dependency/bytes", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error"]["code"] == "invalid_body"


def test_a_body_that_is_too_large_is_answered_413(ask):
    limiter = Limiter(policy={"gateway": {"max_body": "1KiB"}})
    app, served = FastAPI(), []

    @app.post("/", dependencies=[Depends(RateLimit("10000 items/minute", cost="/inputs", limiter=limiter))])
    async def root(body: dict):
        served.append(len(body["inputs"]))

    client = ask(app)
    assert client.post("/", json={"inputs": [1] * 200}).status_code == 200
    answer = client.post("/", json={"inputs": [1] * 2000})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"
    assert served == [200]


def test_a_compressed_body_is_refused(client):
    answer = client.post("/dependency/bytes", content=b"x", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415


def test_a_cost_beyond_the_quota_never_passes(client):
    answer = client.post("/dependency/dict", json={"inputs": [1] * 11})
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers


# --- settlements ---


@pytest.fixture
def settled(limiter, ask):
    """What is left of 100 tokens after a request of 50 that settles: `settled(lambda permit: permit.settle(10))`."""

    def settled(settle):
        app = FastAPI()

        @app.get("/")
        async def root(permit: Annotated[Pass, Depends(RateLimit("100 tokens/hour", cost=50, limiter=limiter))]):
            await settle(permit)

        client = ask(app)
        client.get("/")
        told = client.get("/").headers["ratelimit"]
        return int(told.split(";r=")[1].split(";")[0]) + 50

    return settled


def waiting(*costs, **units):
    async def settle(permit):
        for cost in costs:
            permit.settle(cost)
        if units:
            permit.settle(**units)
        await asyncio.sleep(0)

    return settle


def awaited(*costs, **units):
    async def settle(permit):
        for cost in costs:
            await permit.settle_async(cost)
        if units:
            await permit.settle_async(**units)

    return settle


@pytest.mark.parametrize("settle", [waiting, awaited])
@pytest.mark.parametrize(
    "costs, units, left",
    [((), {}, 50), ((10,), {}, 90), ((0,), {}, 100), ((50,), {}, 50), ((10, 90), {}, 90), ((), {"tokens": 20}, 80), ((), {"items": 9}, 50)],
    ids=str,
)
def test_what_was_really_used_stands_in_for_the_estimate(settled, settle, costs, units, left):
    assert settled(settle(*costs, **units)) == left


def test_a_settlement_up_is_a_debt_that_later_requests_wait_for(limiter, ask, clock):
    app = FastAPI()

    @app.get("/")
    async def root(permit: Annotated[Pass, Depends(RateLimit("100 tokens/hour", cost=50, limiter=limiter))]):
        await permit.settle_async(150)

    client = ask(app)
    assert client.get("/").status_code == 200
    denied = client.get("/")
    assert denied.status_code == 429
    assert denied.headers["retry-after"] == "3600", "a debt of 50, and 50 for the request"
    clock.advance(3599)
    assert client.get("/").status_code == 429
    clock.advance(1)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("cost", [-1, 1.5, "7"])
def test_a_settlement_that_makes_no_sense_is_an_error_and_changes_nothing(settled, cost):
    async def settle(permit):
        with pytest.raises((ValueError, TypeError)):
            permit.settle(cost)
        with pytest.raises(TypeError):
            permit.settle()
        permit.settle(30)

    assert settled(settle) == 70


def test_a_body_that_somebody_has_read_away_costs_nothing_and_passes_nothing(limiter, ask):
    app = FastAPI()

    async def read_away(request: Request):
        async for _ in request.stream():
            pass

    limit = RateLimit("9 items/minute", cost="/inputs", limiter=limiter)

    @app.post("/", dependencies=[Depends(read_away), Depends(limit)])
    async def predict():
        return "passed"

    assert ask(app).post("/", json=BATCH).status_code == 400
