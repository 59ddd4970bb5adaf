"""Limits of tokens that are written in Python: the meter estimates a request, and the endpoint tells what it has used."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse

from sluicegate import PolicyError
from sluicegate.fastapi import Pass, RateLimit, RateLimitExceeded, permit

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 16}
INPUT = 8


@pytest.fixture
def chat(limiter, ask):
    """A client of an app with one limited route, which settles what its requests name: `chat("100 tokens/day")`."""

    def chat(*quotas, meter="openai", **settings):
        app = FastAPI()
        limit = RateLimit(*quotas, meter=meter, limiter=limiter, **settings)

        @app.post("/v1/chat/completions")
        async def complete(body: dict, held: Annotated[Pass, Depends(limit)]):
            reserved = [balance.remaining for balance in held.balances]
            if "used" in body:
                await held.settle_async(**body["used"])
            return reserved

        client = ask(app)
        return lambda **body: client.post("/v1/chat/completions", json={**CHAT, **body})

    return chat


def test_a_request_takes_its_input_and_the_most_output_that_it_names(chat):
    ask = chat("60/minute", "1000 tokens/day", "500 input_tokens/day", "500 output_tokens/day")
    assert ask().json() == [59, 1000 - INPUT - 16, 500 - INPUT, 500 - 16]
    assert ask(max_tokens=100, n=2).json() == [58, 1000 - 2 * INPUT - 216, 500 - 2 * INPUT, 500 - 216]


def test_the_tokens_that_a_request_has_used_take_the_place_of_the_estimate(chat):
    ask = chat("1000 tokens/day", "500 output_tokens/day")
    ask(used={"input_tokens": 10, "output_tokens": 5})
    assert ask(used={"input_tokens": 10, "output_tokens": 50}).json() == [1000 - 15 - INPUT - 16, 500 - 5 - 16]
    assert ask().json() == [1000 - 75 - INPUT - 16, 500 - 55 - 16]


def test_an_estimate_that_is_not_settled_stays_charged(chat):
    ask = chat("1000 tokens/day")
    ask()
    assert ask().json() == [1000 - 2 * (INPUT + 16)]


def test_a_denial_has_the_form_of_the_interface_and_tells_the_estimate(chat):
    denied = chat("20 tokens/day")()
    assert denied.status_code == 429
    assert "24 tokens" in denied.json()["error"]["message"]


@pytest.mark.parametrize("meter", ["openai", "anthropic", "gemini", "ollama", "llama.cpp", "tgi", "cohere"])
def test_a_handler_of_the_app_is_told_the_message_in_every_form(meter, limiter, ask):
    app = FastAPI()
    body = CHAT | {"prompt": "hi", "contents": [], "generationConfig": {"maxOutputTokens": 99}, "n_predict": 99}
    body |= {"max_tokens": 99, "options": {"num_predict": 99}, "parameters": {"max_new_tokens": 99}}

    @app.post("/", dependencies=[Depends(RateLimit("20 tokens/day", meter=meter, limiter=limiter))])
    async def complete(): ...

    @app.exception_handler(RateLimitExceeded)
    async def slow_down(request, exc):
        return JSONResponse(exc.detail, exc.status_code)

    denied = ask(app).post("/", json=body)
    assert (denied.status_code, "tokens" in denied.json()) == (429, True)


def test_a_maximum_that_is_no_number_is_refused_and_charges_nothing(chat):
    ask = chat("1000 tokens/day")
    assert ask(max_tokens="16").status_code == 400
    assert ask().json() == [1000 - INPUT - 16]


def test_a_decorated_endpoint_settles_the_permit_of_its_request(limiter, ask):
    app = FastAPI()

    @app.post("/v1/chat/completions")
    @RateLimit("1000 tokens/day", meter="openai", limiter=limiter)
    async def complete(request: Request):
        held = permit(request)
        await held.settle_async(input_tokens=3, output_tokens=4)
        return held.balances[0].remaining

    client = ask(app)
    seen = [client.post("/v1/chat/completions", json=CHAT).json() for _ in range(2)]
    assert seen == [1000 - INPUT - 16, 1000 - 7 - INPUT - 16]


def test_quotas_that_a_callable_gives_are_metered_too(chat):
    ask = chat(lambda request: "1000 tokens/day")
    assert ask().json() == [1000 - INPUT - 16]


@pytest.mark.parametrize(
    "quota, given, error",
    [
        ("9 tokens/day", {"meter": "opnai"}, 'unknown meter "opnai"; the meters of tokens are openai, anthropic'),
        ("9 tokens/day", {"meter": "openai", "cost": 5}, "give a meter or a cost"),
        ("9 tokens/day", {"meter": "openai", "cost": lambda request: 5}, "give a meter or a cost"),
        ("9 items/day", {"meter": "openai"}, "nothing counts the items of `9 items/day`; limit them by a route of their own"),
        ("9 tokens/day", {"meter": "openai", "max_items": 4}, "max_items is for items"),
        ("9 tokens/day", {}, "nothing counts the tokens .* or meter="),
    ],
)
def test_a_meter_that_cannot_be_is_an_error_where_it_is_written(quota, given, error):
    with pytest.raises(PolicyError, match=error):
        RateLimit(quota, **given)
