"""The example of a small LLM service: the gateway before llama.cpp's server. `./test llama` runs these tests."""

import os
from contextlib import ExitStack

import anthropic
import httpx
import openai
import pytest

from llama import EXAMPLE, SLOTS, Llama
from server import TIMEOUT, until
from token_books import Books, policy

pytestmark = pytest.mark.skipif("LLAMA_PYTHON" not in os.environ, reason="`./test llama` installs the server and runs this")

POLICY = (EXAMPLE / "sluicegate.toml").read_text() if EXAMPLE.exists() else ""
MESSAGES = [{"role": "user", "content": "Count to five."}]
LONG = {"messages": MESSAGES, "max_tokens": 400, "ignore_eos": True, "stream": True}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory):
    llama = Llama(tmp_path_factory.mktemp("llama"))
    yield llama
    llama.stop()


@pytest.fixture
def llama(llama_server):
    """The server with all slots free."""
    until(lambda: llama_server.busy() == 0, "the slots are free", timeout=2 * TIMEOUT)
    return llama_server


@pytest.fixture
def gateway(start, llama):
    return start(POLICY, upstream=llama.url)


def test_its_clients_read_each_of_its_dialects_through_the_gateway(gateway):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", timeout=TIMEOUT)
    ask = {"model": "gemma-3-270m", "messages": MESSAGES}
    assert client.chat.completions.create(**ask, max_tokens=3).usage.completion_tokens == 3
    chunks = list(client.chat.completions.create(**ask, max_tokens=3, stream=True))
    assert chunks[-1].choices[0].finish_reason == "length"
    responded = client.responses.create(model="gemma-3-270m", input="Count to five.", max_output_tokens=3)
    assert responded.usage.output_tokens == 3
    messages = anthropic.Anthropic(base_url=gateway.url, api_key="unused", timeout=TIMEOUT).messages
    assert messages.create(**ask, max_tokens=3).usage.output_tokens == 3
    with messages.stream(**ask, max_tokens=3) as stream:
        assert stream.get_final_message().usage.output_tokens == 3


def test_as_many_requests_are_admitted_as_the_server_has_slots(gateway, llama):
    with ExitStack() as streams:
        for _ in range(SLOTS):
            answer = streams.enter_context(streaming(gateway, streams))
            assert answer.status_code == 200
        until(lambda: llama.busy() == SLOTS, "all slots are busy")
        with gateway.client() as client:
            denial = client.post(CHAT, json=LONG)
            assert denial.status_code == 429
            assert denial.json()["violated-policies"] == ["slots"]


@pytest.mark.parametrize("headers", [{}, {"X-Conversation-Id": "7"}], ids=["plain", "a conversation"])
def test_an_aborted_stream_frees_the_slot_of_the_server(gateway, llama, headers):
    _, before = llama.counted()
    with ExitStack() as streams:
        answer = streams.enter_context(streaming(gateway, streams, headers))
        pieces = answer.iter_bytes()  # the connection closes when nothing refers to it any more
        assert b"content" in next(pieces)
        assert llama.busy() == 1
    # It notices within seconds that nobody reads.
    until(lambda: llama.busy() == 0, "the slot is free")
    assert llama.counted()[1] - before < LONG["max_tokens"]


def test_the_books_of_tokens_are_those_of_the_server(start, llama):
    gateway = start(policy(["/v1/chat/completions", "/v1/completions", "/v1/messages", "/completion"]), upstream=llama.url)
    counted, books = llama.counted(), Books(gateway)
    with gateway.client() as client:
        for stream in (False, True):
            for path, body in (
                (CHAT, {"messages": MESSAGES, "max_tokens": 3}),
                ("/v1/completions", {"prompt": "Count: 1 2 3", "max_tokens": 3}),
                ("/v1/messages", {"messages": MESSAGES, "max_tokens": 3}),
                ("/completion", {"prompt": "Count: 1 2 3", "n_predict": 3}),
            ):
                answer = client.post(path, json={**body, "ignore_eos": True, "stream": stream})
                assert answer.status_code == 200, (path, answer.text)
    until(lambda: Books(gateway).slots == 0, "the slots are free")
    until(lambda: llama.busy() == 0, "the slots of the server are free")
    now = llama.counted()
    assert Books(gateway) - books == (8, now[0] - counted[0], now[1] - counted[1])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": MESSAGES}),
        (CHAT, {"messages": [{"role": "system", "content": "Zähle auf Deutsch, größer als 9."}, *MESSAGES]}),
        ("/v1/messages", {"messages": MESSAGES, "system": "Be brief."}),
        ("/v1/completions", {"prompt": "Count: 1 2 3"}),
        ("/completion", {"prompt": "Count: 1 2 3"}),
    ],
    ids=["chat", "chat with a system", "messages", "completions", "completion"],
)
def test_the_server_counts_what_is_reserved(start, llama, path, body):
    gateway = start(policy([path], settings='count = "upstream", count_timeout = "5s"'), upstream=llama.url)
    books = Books(gateway)
    with gateway.client() as client:
        for _ in range(3):
            assert client.post(path, json={**body, "max_tokens": 1, "n_predict": 1}).status_code == 200
    until(lambda: Books(gateway).slots == 0, "the slots are free")
    assert gateway.labelled("sluicegate_input_counts_total", 'result="counted"') == 3
    reserved = gateway.labelled("sluicegate_reserved_tokens_total", 'class="input"')
    assert reserved == (Books(gateway) - books)[1] > 0


def streaming(gateway, streams, headers=None):
    """A stream that takes its time, closed with `streams`."""
    client = streams.enter_context(httpx.Client(base_url=gateway.url, timeout=TIMEOUT))
    return client.stream("POST", CHAT, json=LONG, headers=headers)
