"""Envoy before the gateway, with both configured as docs/envoy.md has it."""

import sys
from pathlib import Path

import httpx
import pytest

from model import FLOWER
from server import TIMEOUT, Server, free_port

PAGE = Path(__file__).parents[1].joinpath("docs/envoy.md").read_text()
POLICY, ENVOY = (PAGE.split(f"```{language}\n")[1].split("```")[0] for language in ("toml", "yaml"))


@pytest.fixture
def envoy(tmp_path):
    """Starts Envoy before a gateway: `proxy = envoy(gateway)`."""
    running = []

    def start(gateway):
        port = free_port()
        own, admin = (url.rsplit(":", 1)[1] for url in (gateway.url, gateway.admin_url))
        text = ENVOY
        for documented, here in (("10000", port), ("8080", own), ("9090", admin)):
            assert text.count(f"port_value: {documented} ") == 1
            text = text.replace(f"port_value: {documented} ", f"port_value: {here} ")
        file = tmp_path / "envoy.yaml"
        file.write_text(text)
        command = [Path(sys.executable).with_name("envoy"), "--config-path", file]
        command += ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]
        server = Server(command, f"http://127.0.0.1:{port}/model-info", tmp_path / "envoy.log")
        server.url = f"http://127.0.0.1:{port}"
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


def ask(proxy, address, forged="203.0.113.1"):
    """The response to a client at `address` that claims to be another."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=TIMEOUT) as client:
        return client.post(f"{proxy.url}/predict", json=FLOWER, headers={"x-forwarded-for": forged})


def test_each_client_behind_envoy_has_its_own_quota_whatever_it_claims(start, envoy):
    proxy = envoy(start(POLICY))

    first = [ask(proxy, "127.0.0.5", f"203.0.113.{number}").status_code for number in range(11)]
    other = ask(proxy, "127.0.0.6").status_code

    assert first == [200] * 10 + [429]
    assert other == 200


def test_a_denial_passes_envoy_whole_and_under_envoys_request_id(start, envoy):
    gateway = start(POLICY)
    proxy = envoy(gateway)

    *_, denial = [ask(proxy, "127.0.0.5") for _ in range(11)]

    assert denial.status_code == 429 and int(denial.headers["retry-after"]) > 0
    assert denial.headers["content-type"] == "application/problem+json" and "ratelimit" in denial.headers
    # Envoy's ids are UUIDs, and the gateway's are not.
    request_id = denial.headers["x-request-id"]
    assert request_id.count("-") == 4 and request_id in gateway.logged()
