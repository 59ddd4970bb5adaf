"""Bodies that a meter reads, bodies that nobody reads, and bodies that never end."""

import os
import subprocess

import pytest

from model import flowers
from server import TIMEOUT, until

METERED = """
[gateway]
max_body = "100KiB"

[[route]]
path = "/predict/batch"
meter = { items = "/inputs" }
limits = [{ name = "items", quota = "100 items/hour" }]

[[route]]
path = "/echo"
meter = "bytes"
limits = ["1000000 bytes/hour"]
"""


@pytest.fixture
def client(start):
    with start(METERED).client() as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"inputs": null}',
        '{"inputs": "many"}',
        '{"inputs": -1}',
        '{"inputs": 1.5}',
        '{"inputs": 1e400}',
        '{"inputs": 99999999999999999999}',
        '{"inputs": [1], "inputs": []}',
        "[" * 50_000,
    ],
    ids=lambda body: body[:20] or "empty",
)
def test_a_count_that_cannot_be_read_is_400_and_charges_nothing(client, model, body):
    answer = client.post("/predict/batch", content=body)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert model.calls("/predict/batch") == 0
    assert client.post("/predict/batch", json=flowers(100)).status_code == 200


def test_a_body_above_max_body_is_413_and_charges_nothing(client, model):
    answer = client.post("/predict/batch", content=b" " * (100 * 1024 + 1))

    assert answer.status_code == 413
    assert model.calls("/predict/batch") == 0
    assert client.post("/predict/batch", json=flowers(100)).status_code == 200


def test_a_body_that_was_read_arrives_byte_for_byte(client):
    body = os.urandom(90 * 1024)

    assert client.post("/echo", content=body).content == body


def test_a_body_that_announces_its_length_streams_through_a_meter_of_bytes(client):
    body = os.urandom(300 * 1024)
    chunks = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]

    answer = client.post("/echo", content=body)
    assert answer.content == body
    assert f";r={1_000_000 - len(body)};" in answer.headers["ratelimit"]
    assert client.post("/echo", content=iter(chunks)).status_code == 413


def test_a_request_without_a_body_costs_no_items(client):
    assert [client.get("/predict/batch").status_code for _ in range(2)] == [405, 405]
    assert client.options("/predict/batch").status_code == 405
    assert client.post("/predict/batch", json=flowers(100)).status_code == 200
    assert client.get("/predict/batch").headers["ratelimit"].startswith('"items";r=0;')


def test_forms_are_charged_to_the_key_in_them_and_their_files_stream(start, tmp_path):
    policy = '[gateway]\nmax_body = "4KiB"\n[[route]]\npath = "/echo"\nlimits = [{ quota = "1/hour", key = "body:model" }]\n'
    url = f"{start(policy).url}/echo"
    recording = tmp_path / "speech.wav"
    recording.write_bytes(os.urandom(300 * 1024))

    def curl(*form):
        command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", *form, url]
        status, size = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT).stdout.split()
        return int(status), int(size) > 300 * 1024

    for model in ("tiny", "base"):
        upload = ("-F", f"model={model}", "-F", f"file=@{recording}")
        assert [curl(*upload), curl(*upload)] == [(200, True), (429, False)]
    assert curl("-F", f"file=@{recording}", "-F", "model=late") == (413, False)
    assert [curl("-d", "model=small")[0] for _ in range(2)] == [200, 429]
    assert curl("--data-urlencode", "model=tiny")[0] == 429


def test_a_compressed_body_is_415_where_it_must_be_read(client):
    answer = client.post("/predict/batch", content=b"x", headers={"content-encoding": "gzip"})

    assert answer.status_code == 415


def test_a_body_that_nobody_reads_may_be_larger_than_max_body(start):
    body = os.urandom(3 * 1024 * 1024)
    with start("[gateway]\nmax_body = 1000\n").client() as client:
        assert client.post("/echo", content=body).content == body


def test_server_sent_events_arrive_one_by_one(start, model):
    # The model sends the next event only when told, so a buffer anywhere would be waited for in vain.
    with start("").client() as client, client.stream("GET", "/stream") as answer:
        lines = answer.iter_lines()
        for number in range(3):
            if number:
                model.next_event()
            assert next(lines) == f'data: {{"number": {number}}}'
            assert next(lines) == ""
        assert list(lines) == []


ONE_AT_A_TIME = '[[route]]\npath = "/stream"\nlimits = ["1 concurrent"]\n'


def test_a_slot_is_held_to_the_end_of_a_stream(start, model):
    with start(ONE_AT_A_TIME).client() as client:
        with client.stream("GET", "/stream") as answer:
            lines = answer.iter_lines()
            assert next(lines) == 'data: {"number": 0}'
            denied = client.get("/stream")
            assert denied.status_code == 429
            assert denied.headers["retry-after"] == "1"
            for number in (1, 2):
                model.next_event()
                assert [next(lines), next(lines)] == ["", f'data: {{"number": {number}}}']
            assert list(lines) == [""]
        until(lambda: passes(client), "the slot is free again")


def test_a_client_that_goes_away_frees_its_slot_and_ends_the_stream(start, model):
    gateway = start(ONE_AT_A_TIME)
    with gateway.client() as leaving, leaving.stream("GET", "/stream") as answer:
        # Kept: httpx ends the answer when its lines are forgotten.
        lines = answer.iter_lines()
        assert next(lines) == 'data: {"number": 0}'
        assert model.streams() == 1
    until(lambda: model.streams() == 0, "the model stops sending")
    with gateway.client() as client:
        until(lambda: passes(client), "the slot is free again")


def passes(client):
    """Returns `True` if a stream begins. It is left at once."""
    with client.stream("GET", "/stream") as answer:
        return answer.status_code == 200
