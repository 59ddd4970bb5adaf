"""Costs and keys that stand in the body, which the endpoint reads all the same; and costs that are known only afterwards."""

import asyncio
import json
from typing import Annotated

import pytest
from fastapi import Body, Depends, FastAPI, Form, Request, UploadFile
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


def test_a_request_without_a_body_costs_no_items_and_counts_itself(ask, limiter):
    app = FastAPI()

    @app.api_route("/items", methods=["GET", "POST", "DELETE"], dependencies=[Depends(RateLimit("2 items/minute", "9/minute", cost="/inputs", limiter=limiter))])
    async def items():
        return "passed"

    @app.api_route("/requests", methods=["GET", "POST"], dependencies=[Depends(RateLimit("2/minute", cost="/inputs", limiter=limiter))])
    async def requests():
        return "passed"

    client = ask(app)
    answers = [client.request(method, "/items") for method in ("GET", "HEAD", "DELETE", "GET")]
    assert [answer.status_code for answer in answers] == [200, 405, 200, 200]
    assert ";r=2;" in answers[3].headers["ratelimit"]
    assert client.post("/items").status_code == 400
    assert [client.get("/requests").status_code for _ in range(3)] == [200, 200, 429]


# --- forms ---

MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
FIELD = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n%b\r\n--b--\r\n'


@pytest.fixture
def uploads(ask):
    """A client of endpoints that take uploads in all ways there are."""
    app = FastAPI()
    limiter = Limiter(policy={"gateway": {"max_body": "2KiB"}})

    def limit(key="body:model"):
        return RateLimit("1/minute", key=key, limiter=limiter)

    @app.post("/form", dependencies=[Depends(limit())])
    async def form(model: Annotated[str, Form()], file: UploadFile | None = None):
        return {"model": model, "length": len(await file.read()) if file else 0}

    @app.post("/decorated")
    @limit()
    async def decorated(model: Annotated[str, Form()], file: UploadFile | None = None):
        return {"model": model, "length": len(await file.read()) if file else 0}

    @app.post("/request", dependencies=[Depends(limit()), Depends(limit(["body:model", "path"]))])
    async def request(request: Request):
        form = await request.form()
        return {"model": form["model"], "length": len(await form["file"].read()) if "file" in form else 0}

    @app.post("/stream", dependencies=[Depends(limit())])
    async def stream(request: Request):
        return {"read": len(b"".join([chunk async for chunk in request.stream()]))}

    return ask(app)


@pytest.mark.parametrize("path", ["/form", "/decorated", "/request"])
def test_a_field_of_a_form_is_a_key_and_the_endpoint_reads_it_all(uploads, path):
    for model in ("a", "b"):
        answers = [uploads.post(path, data={"model": model, "other": "x"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[0].json() == {"model": model, "length": 0}
    for model in (b"c", b"d"):
        # More than max_body, in pieces: only its beginning is read before the decision.
        body = FIELD % model + FILE % (b"0" * 50_000)
        pieces = [body[at : at + 700] for at in range(0, len(body), 700)]
        answers = [uploads.post(path, content=iter(pieces), headers=MULTIPART) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[0].json() == {"model": model.decode(), "length": 50_000}


def test_an_endpoint_streams_all_of_an_upload(uploads):
    for model, at in ((b"a", 5), (b"b", 9_000)):
        body = FIELD % model + FILE % (b"0" * 50_000)
        answer = uploads.post("/stream", content=iter([body[:at], body[at:]]), headers=MULTIPART)
        assert answer.json() == {"read": len(body)}


def test_a_field_that_is_there_twice_is_400(uploads):
    for path in ("/form", "/stream"):
        answer = uploads.post(path, content=FIELD % b"a" * 2 + FILE % b"0", headers=MULTIPART)
        assert (answer.status_code, answer.json()["detail"]) == (400, "`/model` is in the body twice")


# --- settlements ---


@pytest.fixture
def settled(limiter, ask):
    """The rest of 100 tokens after a request of 50 that settles: `settled(lambda permit: permit.settle(10))`."""

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
