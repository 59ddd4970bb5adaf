"""The gateway's books of tokens, held against those of a server that knows exactly what it produced."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from dialects import BODIES, DELTAS
from server import until
from token_books import METERS, Books, policy

CHUNKS = 200


@pytest.fixture
def gateway(start, mock_model):
    paths = [path for path in METERS if path in BODIES or path == "/v1/embeddings"]
    return start(policy(paths), upstream=mock_model.url)


def test_the_books_agree_for_every_way_to_ask_and_to_report(gateway, mock_model):
    chance = random.Random(1)
    paths = list(BODIES)

    def ask(client):
        path = chance.choice(paths)
        body = {"model": "mock", **BODIES[path](chance.randint(1, 50)), "stream": chance.random() < 0.7}
        if path in ("/v1/chat/completions", "/v1/completions"):
            body["n"] = chance.choice([1, 1, 3])
            if body["stream"] and chance.random() < 0.5:
                body["stream_options"] = {"include_usage": True}
        settings = {
            "x-mock-usage": chance.choice(["asked", "running", "last"]),
            "x-mock-split-bytes": chance.choice(["0", "1", "7", "100"]),
            "x-mock-join-events": chance.choice(["1", "3", "1000"]),
            "x-mock-chunk-tokens": chance.choice(["1", "4"]),
            "x-mock-cached-tokens": chance.choice(["0", "3"]),
            "x-mock-input-tokens": str(chance.randint(1, 1000)),
        }
        answer = client.post(path, json=body, headers=settings)
        assert answer.status_code == 200, answer.text

    with gateway.client() as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, [client] * 300))

    assert_books_agree(gateway, mock_model)


def test_embeddings_cost_their_input(gateway, mock_model):
    with gateway.client() as client:
        for body in ({"input": "Hello"}, {"input": ["a", "b"]}, {"input": [1, 2, 3]}, {"input": [[1, 2], [3]]}):
            assert client.post("/v1/embeddings", json={"model": "mock", **body}).status_code == 200
    assert_books_agree(gateway, mock_model)


@pytest.mark.parametrize("path", DELTAS)
def test_a_client_that_leaves_at_chunk_k_pays_for_k_chunks_within_one(gateway, mock_model, path):
    prompts, before = set(), Books(gateway)
    with gateway.client() as client:
        for k in range(CHUNKS + 1):
            leave(client, path, k)
            until(lambda: mock_model.totals()["left"] == k + 1, f"the upstream of the client that left at {k} is closed")
            after = until(lambda: (after := Books(gateway)).slots == 0 and after, f"the slot at chunk {k} is free")
            requests, prompt, output = after - before
            assert requests == 1
            assert abs(output - k) <= 1, f"{output} output tokens are charged for {k}"
            # The whole prompt, wherever the client leaves. Before any token, Anthropic's server may not have told it yet.
            assert prompt > 0
            prompts.update([prompt] if k else [])
            before = after
    assert len(prompts) == 1


def test_a_failure_of_the_upstream_leaves_nothing_charged_but_the_request(gateway, mock_model):
    with gateway.client() as client:
        for path, body in BODIES.items():
            for settings in ({"x-mock-status": "500"}, {"x-mock-status": "429"}):
                before = Books(gateway)
                client.post(path, json={"model": "mock", **body(10)}, headers=settings)
                assert Books(gateway) - before == (1, 0, 0), (path, settings)


def test_a_stream_that_breaks_costs_what_was_produced(gateway, mock_model):
    before = Books(gateway)
    with gateway.client() as client:
        for failure in ("error", "end", "close", "reset"):
            for path in DELTAS:
                settings = {"x-mock-fail": failure, "x-mock-fail-after": "7"}
                try:
                    client.post(path, json={"model": "mock", **BODIES[path](50), "stream": True}, headers=settings)
                    # A clean end never follows a broken upstream.
                    assert failure in ("error", "end"), (path, failure)
                except httpx.TransportError:
                    assert failure in ("close", "reset"), (path, failure)
                after = until(lambda: (after := Books(gateway)).slots == 0 and after, "the slot is free")
                requests, prompt, output = after - before
                assert requests == 1 and prompt > 0 and abs(output - 7) <= 1, (path, failure, output)
                before = after


def leave(client, path, chunks):
    """Reads so many chunks of tokens of a stream that then waits, and leaves."""
    body = {"model": "mock", **BODIES[path](CHUNKS), "stream": True}
    settings = {"x-mock-fail": "hang", "x-mock-fail-after": str(chunks), "x-mock-output-tokens": str(CHUNKS)}
    with client.stream("POST", path, json=body, headers=settings) as answer:
        assert answer.status_code == 200
        read = b""
        for piece in answer.iter_raw() if chunks else ():
            read += piece
            if len(DELTAS[path].findall(read)) >= chunks:
                break


def assert_books_agree(gateway, mock_model):
    totals = mock_model.totals_at_rest()
    books = until(lambda: (books := Books(gateway)).slots == 0 and books, "all slots are free")
    told = json.dumps(totals)
    assert (books.requests, books.input, books.output) == (
        totals["complete"],
        totals["input_tokens"],
        totals["output_tokens"],
    ), told
