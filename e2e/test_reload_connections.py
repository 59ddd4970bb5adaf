"""Clients keep their connections over a reload, whatever they speak, and their balances, wherever these are kept."""

import http.client
import json
import ssl
import subprocess

import httpx
import pytest
from websockets.sync.client import connect

from http2 import Connection
from model import FLOWER
from server import TIMEOUT

POLICY = """
{more}

[[route]]
path = "/health"
limits = [{{ name = "calls", quota = "{quota}/day", algorithm = "fixed-window" }}]

[[route]]
path = "/socket"
limits = [{{ name = "sockets", quota = "1 concurrent" }}]
"""


def reload(gateway, quota, more=""):
    """Changes the policy and has it read again."""
    gateway.policy.write_text(POLICY.format(quota=quota, more=more))
    answer = httpx.post(f"{gateway.admin_url}/config/reload")
    assert (answer.status_code, answer.json()["needs_restart"]) == (200, []), answer.text


def test_a_connection_of_http_2_is_served_by_the_new_policy(start):
    gateway = start(POLICY.format(quota=1, more=""))
    with Connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as connection:
        assert connection.get("/health") == "200"
        assert connection.get("/health") != "200"
        reload(gateway, quota=2)
        assert connection.get("/health") == "200"
        assert connection.get("/health") != "200"
        assert connection.last_stream is None


def test_a_connection_by_tls_is_served_by_the_new_policy(start, certificate):
    gateway = start(POLICY.format(quota=1, more=certificate.table))
    host, port = gateway.url.removeprefix("http://").split(":")
    client = http.client.HTTPSConnection(host, int(port), timeout=TIMEOUT, context=certificate.trust)
    statuses = []
    for quota in (1, 1, 2, 2):
        if quota == 2 and len(statuses) == 2:
            reload(gateway, quota, certificate.table)
        client.request("GET", "/health")
        answer = client.getresponse()
        answer.read()
        statuses.append(answer.status)
        if len(statuses) == 1:
            address = client.sock.getsockname()
        # A client that had been told to close would have connected anew.
        assert client.sock.getsockname() == address
    client.close()
    assert statuses == [200, 429, 200, 429]


def test_a_websocket_stays_open_and_keeps_its_slot(start):
    gateway = start(POLICY.format(quota=1, more=""))
    url = f"{gateway.url.replace('http', 'ws', 1)}/socket"
    with connect(url, open_timeout=TIMEOUT, close_timeout=TIMEOUT) as socket:
        for quota in range(1, 4):
            socket.send(json.dumps(FLOWER["input"]))
            assert json.loads(socket.recv(TIMEOUT)) == "setosa"
            reload(gateway, quota)
            with gateway.client() as client:
                assert client.get("/socket").status_code == 429, "the slot is the socket's"


def test_balances_in_redis_are_what_they_were(start, arrange):
    store = f'[store]\nurl = "{arrange("redis").url}"\ntimeout = "1s"\n'
    gateway = start(POLICY.format(quota=3, more=store))
    with gateway.client() as client:
        assert [client.get("/health").status_code for _ in range(4)] == [200, 200, 200, 429]
        reload(gateway, 3, store)
        assert client.get("/health").status_code == 429, "a reload mints nothing"
        reload(gateway, 6, store)
    told = httpx.get(f"{gateway.admin_url}/limits", params={"key": "client_ip=127.0.0.1", "limit": "calls"}).json()
    assert told["limits"][0]["remaining"] == 3, "what was spent is spent"


class Certificate:
    """A certificate that signs itself, for 127.0.0.1."""

    def __init__(self, folder):
        certificate, key = folder / "gateway.pem", folder / "gateway.key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=gateway"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
        subprocess.run(command, check=True, capture_output=True)
        self.table = f'[gateway.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
        self.trust = ssl.create_default_context(cafile=certificate)


@pytest.fixture
def certificate(tmp_path):
    return Certificate(tmp_path)
