"""The SDKs of OpenAI and Anthropic, given refusals that are not the gateway's: no useless retry."""

import time
from email.utils import formatdate

import anthropic
import openai
import pytest

from refusing_server import RefusingServer
from server import TIMEOUT, free_port

QUESTION = {"messages": [{"role": "user", "content": "?"}], "model": "m"}
ROUTE = '[[route]]\npath = "/v1/{*rest}"\n'


@pytest.fixture
def refusing():
    server = RefusingServer()
    yield server
    server.stop()


def ask_openai(gateway):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", timeout=TIMEOUT)
    client.chat.completions.create(**QUESTION)


def ask_anthropic(gateway):
    client = anthropic.Anthropic(base_url=gateway.url, api_key="unused", timeout=TIMEOUT)
    client.messages.create(**QUESTION, max_tokens=1)


@pytest.fixture(params=[ask_openai, ask_anthropic])
def waits(request, monkeypatch):
    """Asks until the SDK gives up, and returns the waits before its retries, none of which is waited for."""

    def waits(gateway):
        slept = []
        with monkeypatch.context() as patched:
            patched.setattr(time, "sleep", slept.append)
            with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)):
                request.param(gateway)
        return slept

    return waits


@pytest.mark.parametrize(
    "header",
    [
        {"retry-after": "3600"},
        {"retry-after": "61"},
        {"retry-after-ms": "60001"},
        {"retry-after": formatdate(time.time() + 3600, usegmt=True)},
        {"retry-after": "3600", "x-should-retry": "true"},
    ],
    ids=["seconds", "a second above a minute", "milliseconds", "a date", "against the upstream's word"],
)
@pytest.mark.parametrize("status", [429, 503])
def test_an_upstream_that_names_a_long_wait_is_asked_once(start, refusing, waits, status, header):
    refusing.status, refusing.headers = status, header
    gateway = start(ROUTE, upstream=refusing.url)

    assert waits(gateway) == []
    assert refusing.calls == 1


def test_a_minute_is_waited_for(start, refusing, waits):
    refusing.headers = {"retry-after": "60"}
    gateway = start(ROUTE, upstream=refusing.url)

    assert waits(gateway) == [60, 60]
    assert refusing.calls == 3


@pytest.mark.parametrize("status", [408, 429, 503, 504, 529])
def test_a_refusal_without_a_time_gets_the_routes(start, refusing, waits, status):
    refusing.status = status
    gateway = start(f'{ROUTE}retry_after = "7s"\n', upstream=refusing.url)

    assert waits(gateway) == [7, 7]
    assert refusing.calls == 3
    assert gateway.labelled("sluicegate_upstream_refusals_total", f'status="{status}"') == 3
    assert gateway.labelled("sluicegate_upstream_refusals_total", 'route="/v1/{*rest}"') == 3


def test_without_one_libraries_come_back_at_once(start, refusing, waits):
    gateway = start(ROUTE, upstream=refusing.url)

    first, second = waits(gateway)
    assert first <= second < 3


def test_work_that_takes_too_long_is_not_begun_again(start, refusing, waits):
    refusing.released.clear()
    gateway = start(f'{ROUTE}response_timeout = "50ms"\n', upstream=refusing.url)

    assert waits(gateway) == []
    assert refusing.calls == 1


def test_an_upstream_that_cannot_be_reached_is_tried_again(start, waits):
    gateway = start(ROUTE, upstream=f"http://127.0.0.1:{free_port()}")

    assert len(waits(gateway)) == 2
