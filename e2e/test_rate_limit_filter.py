"""Envoy's rate limit filter, configured as its page in docs/ has it, before a model that tells the tokens of a response."""

import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import grpc
import pytest

from asking_proxy import AskingProxy, sample
from server import free_port, until

POLICY = sample("envoy-rls.md", "toml")
CLIENT, OTHER = "127.0.0.5", "127.0.0.6"
BALANCE = '"tpm";r='


class Counted(ThreadingHTTPServer):
    """A model server whose responses have used so many `tokens`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", free_port()), CountedHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.tokens = 0
        self.calls = 0
        Thread(target=self.serve_forever, daemon=True).start()


class CountedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.calls += 1
        self.do_GET()

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.send_header("x-total-tokens", str(self.server.tokens))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def counted():
    server = Counted()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def envoy(start, counted, tmp_path):
    """Envoy, and as its `gateway` the one that it asks."""
    port = free_port()
    gateway = start(POLICY, upstream=counted.url, env={"SLUICEGATE_DECISIONS__LISTEN": f"127.0.0.1:{port}"})
    proxy = AskingProxy("rate_limit_filter", tmp_path, port, counted.url)
    proxy.gateway = gateway
    until(lambda: charged(gateway) == 1, "the request by which it was seen to be ready is charged")
    yield proxy
    proxy.stop()


def charged(gateway):
    """The number of responses whose tokens are charged."""
    return gateway.labelled("sluicegate_requests_total", 'route="ml: tokens=used, remote_address"')


def use(envoy, counted, tokens, address=CLIENT):
    """Sends a request whose response uses so many tokens, until they are charged."""
    counted.tokens = tokens
    before = charged(envoy.gateway)
    response = envoy.ask(address)
    if response.status_code == 200:
        until(lambda: charged(envoy.gateway) == before + 1, "the tokens are charged")
    return response


def left(response):
    """The tokens that a response says are left."""
    return int(response.headers["ratelimit"].split(BALANCE)[1].split(";")[0])


def test_each_client_has_exactly_its_quota(envoy, counted):
    first = [envoy.ask(CLIENT).status_code for _ in range(12)]

    assert first == [200] * 10 + [429] * 2 and envoy.ask(OTHER).status_code == 200
    assert counted.calls == 11


def test_a_client_learns_what_is_left_and_when_to_come_back(envoy):
    *_, allowed, denied = [envoy.ask(CLIENT) for _ in range(11)]

    assert allowed.status_code == 200 and '"rpm";r=0' in allowed.headers["ratelimit"]
    assert denied.status_code == 429 and 0 < int(denied.headers["retry-after"]) <= 60
    assert denied.headers["ratelimit"].startswith('"rpm";r=0;') and denied.headers["cache-control"] == "no-store"
    assert denied.headers["content-type"] == "application/problem+json"
    assert denied.json()["type"].endswith("#quota-exceeded") and denied.headers["x-envoy-ratelimited"] == "true"


def test_a_response_is_charged_the_tokens_that_it_has_used(envoy, counted):
    told = [left(use(envoy, counted, tokens)) for tokens in (10, 700, 4000)]

    # Each is told what is left while 1,000 are reserved for it.
    assert told == [19_000, 18_990, 18_290]
    assert left(use(envoy, counted, 0)) == 14_290
    assert left(use(envoy, counted, 0, OTHER)) == 19_000


def test_usage_beyond_the_limit_is_a_debt_and_a_denial_gets_no_refund(envoy, counted):
    assert use(envoy, counted, 45_000).status_code == 200

    # 45,000 are two windows and a quarter.
    for _ in range(5):
        denied = envoy.ask(CLIENT)
        assert denied.status_code == 429 and left(denied) == 0
        assert 60 < int(denied.headers["retry-after"]) <= 120
    assert counted.calls == 1 and charged(envoy.gateway) == 2


def test_clients_of_grpc_are_told_by_their_own_status(envoy):
    for _ in range(10):
        envoy.ask("127.0.0.1")

    with grpc.insecure_channel(f"127.0.0.1:{envoy.port}") as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/models.Models/Predict")(b"", timeout=10)

    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "retry-after" in dict(raised.value.initial_metadata() or ()) | dict(raised.value.trailing_metadata())


@pytest.mark.parametrize("trouble", ["dead", "late"])
def test_nothing_passes_while_nobody_decides(envoy, counted, trouble):
    if trouble == "dead":
        envoy.gateway.stop()
    else:
        envoy.gateway.process.send_signal(signal.SIGSTOP)
    try:
        response = envoy.ask(CLIENT)
    finally:
        if trouble == "late":
            envoy.gateway.process.send_signal(signal.SIGCONT)

    assert response.status_code == 503 and counted.calls == 0
    assert response.elapsed.total_seconds() < 5
