"""From the upstream's warm-up to the gateway's own end."""

import socket
import threading

import httpx
import pytest

from gateway import Spent
from model import FLOWER
from server import free_port, until

WARMUP = """
[warmup]
scale = 0.2
ready = "/health"
ramp = "1s"

[[route]]
path = "/predict"
limits = ["10/hour"]

[[route]]
path = "/models/heavy/predict"
limits = ["2/hour"]
"""


@pytest.fixture
def clients():
    """Clients at addresses that have spent nothing yet."""
    addresses = (f"127.0.{block}.{host}" for block in range(1, 256) for host in range(1, 255))
    return lambda gateway: gateway.client(next(addresses))


def test_a_fifth_of_each_limit_while_the_model_warms_up_and_at_least_one(start, model, clients):
    model.set_ready(False)
    gateway = start(WARMUP)
    with clients(gateway) as client:
        assert Spent(lambda: client.post("/predict", json=FLOWER)).passed == 2
        assert Spent(lambda: client.post("/models/heavy/predict", json=FLOWER)).passed == 1


def test_limits_grow_to_their_full_size_once_the_model_is_ready_and_not_beyond(start, model, clients):
    model.set_ready(False)
    gateway = start(WARMUP)
    passed = [passes(gateway, clients)]
    assert passed == [2]

    model.set_ready(True)
    until(lambda: passed.append(passes(gateway, clients)) or passed[-1] == 10, "the whole limit is there")

    # Each client is a new one, so what passes is the limit of that moment.
    assert passed == sorted(passed)
    assert passes(gateway, clients) == 10


def test_what_was_spent_during_the_warm_up_is_still_spent_after_it(start, model, clients):
    model.set_ready(False)
    gateway = start(WARMUP)
    with clients(gateway) as early:
        before = Spent(lambda: early.post("/predict", json=FLOWER)).passed
        model.set_ready(True)
        until(lambda: passes(gateway, clients) == 10, "the whole limit is there")
        after = Spent(lambda: early.post("/predict", json=FLOWER)).passed
    assert before + after <= 10


def test_a_warming_upstream_does_not_make_the_gateway_unready(start, model):
    model.set_ready(False)

    assert httpx.get(f"{start(WARMUP).admin_url}/readyz").status_code == 200


def test_an_upstream_that_is_away_is_502(start):
    with start("", upstream=f"http://127.0.0.1:{free_port()}").client() as client:
        answer = client.post("/predict", json=FLOWER)

    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_upstream_that_does_not_answer_in_time_is_504(start):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        upstream = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with start('[gateway]\nresponse_timeout = "50ms"\n', upstream=upstream).client() as client:
            assert client.post("/predict", json=FLOWER).status_code == 504


def test_sigterm_lets_a_running_stream_finish_and_then_exits_with_0(start, model):
    gateway = start("")
    with gateway.client() as client, client.stream("GET", "/stream") as answer:
        lines = (line for line in answer.iter_lines() if line)
        assert next(lines) == 'data: {"number": 0}'
        gateway.terminate()
        until(lambda: refuses(gateway), "new connections are refused")
        for number in (1, 2):
            model.next_event()
            assert next(lines) == f'data: {{"number": {number}}}'
        assert list(lines) == []
    assert gateway.wait() == 0


def test_requests_at_the_same_time_never_pass_more_than_the_limit(start):
    gateway = start('[[route]]\npath = "/predict"\nlimits = [{ name = "all", quota = "20/hour", key = "global" }]\n')
    codes = []

    def ask():
        with gateway.client() as client:
            codes.extend([client.post("/predict", json=FLOWER).status_code for _ in range(10)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] * 20 + [429] * 60


def passes(gateway, clients):
    """The number of requests of a new client before the first denial."""
    with clients(gateway) as client:
        return Spent(lambda: client.post("/predict", json=FLOWER)).passed


def refuses(gateway):
    try:
        httpx.get(gateway.url)
    except httpx.ConnectError:
        return True
    return False
