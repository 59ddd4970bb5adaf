"""Proxies before a model server that ask a gateway for decisions, each configured as its page in docs/ has it."""

import sys
from pathlib import Path

import httpx

from model import FLOWER
from server import TIMEOUT, Server, free_port

DOCS = Path(__file__).parents[1] / "docs"


def sample(page, language, number=0):
    """A code block of a page."""
    return (DOCS / page).read_text().split(f"```{language}\n")[number + 1].split("```")[0]


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

    def envoy(self, configuration=("envoy.md", "yaml", 1)):
        file = self.write("envoy.yaml", sample(*configuration))
        command = [program("envoy"), "--config-path", file, "--concurrency", "1"]
        return [*command, "--use-dynamic-base-id", "--log-level", "error"]

    def rate_limit_filter(self):
        return self.envoy(("envoy-rls.md", "yaml"))

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
