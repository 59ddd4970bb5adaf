"""Tokens of apps by what the policy says of them: where they are, and what failures give back. The gateway's numbers."""

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from sluicegate import Charge, Limiter
from sluicegate.fastapi import RateLimitMiddleware

ME = "203.0.113.7"
QUOTA = "100000 tokens/day"
METER = {
    "tokens": "json",
    "prompt": "/text",
    "max_output": "/params/most",
    "text": "/made",
    "usage": {"input": "/stats/read", "output": "/stats/made"},
}
POLICY = {
    "limits": {"tpm": {"quota": QUOTA}},
    "route": [
        {"path": "/generate", "meter": METER, "limits": ["tpm"]},
        {"path": "/kept", "meter": {**METER, "refund": ["5xx", 429]}, "limits": ["tpm"]},
    ],
}
REQUEST = {"text": "hi", "params": {"most": 50}}


def model(answer):
    """An app, and the tokens that were spent on it: `app, spent = model(answer)`."""
    limiter = Limiter(policy=POLICY)
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
    charge = Charge(f"tpm|client_ip={ME}", QUOTA)
    return RateLimitMiddleware(app, limiter=limiter), lambda: 100_000 - limiter.peek(charge).remaining


async def whole(request):
    return JSONResponse({"made": "one two", "stats": {"read": 21, "made": 7}})


def streamed(*events):
    async def answer(request):
        return StreamingResponse(iter(events), media_type="text/event-stream")

    return answer


def test_a_response_is_charged_by_the_numbers_that_the_policy_points_to(ask):
    app, spent = model(whole)
    response = ask(app).post("/generate", json=REQUEST)
    assert response.json()["made"] == "one two"
    left = int(response.headers["ratelimit"].split('"tpm";r=')[1].split(";")[0])
    assert 100_000 - 60 < left <= 100_000 - 50, "the reservation is told"
    assert spent() == 28


def test_a_stream_is_charged_by_its_last_numbers_or_by_its_text(ask):
    word = b'data: {"made":" word"}\n\n'
    app, spent = model(streamed(word, word, b'data: {"stats":{"read":21,"made":7}}\n\n'))
    ask(app).post("/generate", json=REQUEST)
    assert spent() == 28
    app, spent = model(streamed())
    ask(app).post("/generate", json=REQUEST)
    estimated = spent()
    app, spent = model(streamed(word, word))
    ask(app).post("/generate", json=REQUEST)
    assert spent() == estimated + 2


@pytest.mark.parametrize("body", [{"text": "hi", "params": {"most": "50"}}, {"prompt": "hi"}])
def test_a_request_that_cannot_be_metered_is_refused(ask, body):
    app, spent = model(whole)
    assert ask(app).post("/generate", json=body).status_code == 400
    assert spent() == 0


@pytest.mark.parametrize("status, is_kept", [(400, True), (429, False), (500, False)])
def test_the_policy_says_which_failures_give_tokens_back(ask, status, is_kept):
    async def refuses(request):
        return JSONResponse({"error": "no"}, status)

    app, spent = model(refuses)
    assert ask(app).post("/kept", json=REQUEST).status_code == status
    assert (spent() > 50) == is_kept
    assert is_kept or spent() == 0
