"""A proxy before the gateway that forwards bytes and names the client: haproxy."""

import httpx
import pytest

from server import TIMEOUT, Server, free_port, until

POLICY = """
[gateway]
proxy_protocol = true
trusted_proxies = ["127.0.0.1"]

[[route]]
path = "/health"
limits = ["2/hour"]
"""

HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend clients
    bind {listen}
    default_backend gateway
backend gateway
    option httpchk GET /models/check
    server gateway {gateway} source 127.0.0.1 {option} {check}
"""


@pytest.fixture
def haproxy(tmp_path):
    """Starts haproxy before a gateway: `proxy = haproxy(gateway, "send-proxy")`."""
    running = []

    def start(gateway, option, check=""):
        url = f"http://127.0.0.1:{free_port()}"
        file = tmp_path / f"haproxy-{len(running)}.cfg"
        addresses = {"listen": url.removeprefix("http://"), "gateway": gateway.url.removeprefix("http://")}
        file.write_text(HAPROXY.format(**addresses, option=option, check=check))
        server = Server(["haproxy", "-db", "-f", file], f"{url}/model-info", tmp_path / "haproxy.log")
        server.url = url
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


def ask(proxy, address):
    """The response to a client at `address` through the proxy."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=TIMEOUT) as client:
        return client.get(f"{proxy.url}/health", headers={"x-forwarded-for": "203.0.113.1"}).status_code


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_each_client_behind_haproxy_has_its_own_quota(start, haproxy, model, option):
    gateway = start(POLICY)
    proxy = haproxy(gateway, option)

    assert [ask(proxy, "127.0.0.5") for _ in range(3)] == [200, 200, 429]
    assert model.headers("/health")["x-forwarded-for"] == "127.0.0.5"
    assert [ask(proxy, "127.0.0.6") for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2"])
def test_the_checks_of_haproxy_itself_find_the_gateway_well(start, haproxy, model, option):
    gateway = start(POLICY)

    haproxy(gateway, option, check="check check-send-proxy inter 50ms")

    until(lambda: model.calls("/models/check") >= 3, "haproxy has asked whether the gateway is well")
    assert model.headers("/models/check")["x-forwarded-for"] == "127.0.0.1"
    assert gateway.labelled("sluicegate_refused_connections_total", 'reason="proxy_protocol"') == 0


def test_a_client_that_goes_round_the_proxy_is_closed(start):
    gateway = start(POLICY)

    with pytest.raises(httpx.TransportError), gateway.client("127.0.0.7") as client:
        client.get("/health", headers={"x-forwarded-for": "127.0.0.5"})
    with pytest.raises(httpx.TransportError), gateway.client() as client:
        client.get("/health")

    assert gateway.labelled("sluicegate_refused_connections_total", 'reason="untrusted_proxy"') == 1
    assert gateway.labelled("sluicegate_refused_connections_total", 'reason="proxy_protocol"') == 1
