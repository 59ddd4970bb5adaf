"""Other proxies that ask for decisions, each configured as its page in docs/ has it."""

import sys
from pathlib import Path

import httpx
import pytest

from model import FLOWER
from server import TIMEOUT, Server, free_port

DOCS = Path(__file__).parents[1] / "docs"
PROXIES = ["nginx", "caddy", "traefik", "haproxy", "envoy"]


def sample(page, language, number=0):
    """A code block of a page."""
    return (DOCS / page).read_text().split(f"```{language}\n")[number + 1].split("```")[0]


POLICY = sample("decisions.md", "toml")


class AskingProxy(Server):
    """A proxy before the model server that asks a gateway's decision server."""

    def __init__(self, kind, folder, decisions, model):
        self.port = free_port()
        self.folder = folder
        self.ports = {"8080": self.port, "8081": decisions, "8000": model.rsplit(":", 1)[1]}
        command = getattr(self, kind)()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(command, f"{self.url}/model-info", folder / f"{kind}.log")

    def nginx(self):
        file = self.write("nginx.conf", sample("nginx.md", "nginx"))
        return ["nginx", "-p", self.folder, "-c", file, "-g", "daemon off;"]

    def caddy(self):
        file = self.write("Caddyfile", sample("caddy.md", "caddyfile"))
        return [program("caddy"), "run", "--adapter", "caddyfile", "--config", file]

    def traefik(self):
        file = self.write("dynamic.yaml", sample("traefik.md", "yaml"))
        told = self.with_ports(sample("traefik.md", "sh")).split()
        return [program("traefik"), *[word.replace("dynamic.yaml", str(file)) for word in told[1:]]]

    def haproxy(self):
        script = self.write("sluicegate.lua", sample("haproxy.md", "lua"))
        file = self.write("haproxy.cfg", sample("haproxy.md", "haproxy").replace("sluicegate.lua", str(script)))
        return ["haproxy", "-db", "-f", file]

    def envoy(self):
        file = self.write("envoy.yaml", sample("envoy.md", "yaml", 1))
        command = [program("envoy"), "--config-path", file, "--concurrency", "1"]
        return [*command, "--use-dynamic-base-id", "--log-level", "error"]

    def write(self, name, text):
        file = self.folder / name
        file.write_text(self.with_ports(text))
        return file

    def with_ports(self, text):
        for documented, here in self.ports.items():
            for before in "127.0.0.1:", "port_value: ":
                text = text.replace(f"{before}{documented}", f"{before}{here}")
        return text

    def ask(self, address, path="/predict", **more):
        """The response to a client at `address`, which claims to be another."""
        headers = {"x-forwarded-for": "203.0.113.1", "x-forwarded-uri": "/health", "x-original-uri": "/health"}
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(transport=transport, base_url=self.url, headers=headers, timeout=TIMEOUT) as client:
            return client.post(path, json=FLOWER, **more)


def program(name):
    """A program of the tests' own environment."""
    return Path(sys.executable).with_name(name)


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
