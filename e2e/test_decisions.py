"""Other proxies that ask for decisions, each configured as its page in docs/ has it."""

import pytest

from asking_proxy import AskingProxy, sample
from server import free_port

PROXIES = ["nginx", "caddy", "traefik", "haproxy", "envoy"]
POLICY = sample("decisions.md", "toml")


@pytest.fixture
def asking(start, model, tmp_path):
    """Starts a proxy and the gateway that it asks: `proxy, gateway = asking("nginx")`."""
    proxies = []

    def run(kind):
        port = free_port()
        gateway = start(POLICY, env={"SLUICEGATE_DECISIONS__LISTEN": f"127.0.0.1:{port}"})
        proxy = AskingProxy(kind, tmp_path, port, model.url)
        proxies.append(proxy)
        return proxy, gateway

    yield run
    for proxy in proxies:
        proxy.stop()


@pytest.mark.parametrize("kind", PROXIES)
def test_each_client_has_its_own_quota_whatever_it_claims(asking, model, kind):
    proxy, gateway = asking(kind)

    first = [proxy.ask("127.0.0.5").status_code for _ in range(12)]
    other = proxy.ask("127.0.0.6").status_code

    assert first == [200] * 10 + [429] * 2 and other == 200
    assert model.calls("/predict") == 11
    assert gateway.labelled("sluicegate_requests_total", 'decision="deny"') == 2


@pytest.mark.parametrize("kind", PROXIES)
def test_a_client_learns_when_to_come_back(asking, kind):
    proxy, _ = asking(kind)

    *_, allowed, denied = [proxy.ask("127.0.0.5", "/predict?a=1") for _ in range(11)]

    assert denied.status_code == 429 and 0 < int(denied.headers["retry-after"]) <= 60
    assert ";r=0;" in denied.headers["ratelimit"] and denied.headers["content-type"] == "application/problem+json"
    assert denied.json()["type"].endswith("#quota-exceeded")
    # Balances of requests that pass reach clients where the proxy can send them.
    assert ("ratelimit" in allowed.headers) == (kind in ["nginx", "envoy"])


@pytest.mark.parametrize("kind", PROXIES)
def test_a_dead_decision_server_lets_nothing_pass(asking, model, kind):
    proxy, gateway = asking(kind)
    gateway.stop()

    status = proxy.ask("127.0.0.5").status_code

    assert status == {"nginx": 500, "caddy": 502, "traefik": 500, "haproxy": 503, "envoy": 403}[kind]
    assert model.calls("/predict") == 0
