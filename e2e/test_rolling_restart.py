"""One gateway takes over from another on the same port, and no client sees it."""

import httpx
import pytest

from gateway import Gateway
from http2 import Http2Load
from load import Load
from server import free_port, until

POLICY = """
[gateway]
reuse_port = true

[[route]]
path = "/health"
limits = ["1000000/second"]
"""

RESTARTS = 6


class Port:
    """A port that one gateway after the other listens on."""

    def __init__(self, folder, model):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.folder, self.model, self.started = folder, model, []

    def start(self):
        folder = self.folder / str(len(self.started))
        folder.mkdir()
        listen = {"SLUICEGATE_GATEWAY__LISTEN": self.url.removeprefix("http://")}
        gateway = Gateway(folder, self.model.url, POLICY, listen)
        gateway.url = self.url
        self.started.append(gateway)
        return gateway

    def roll(self):
        """Starts the next gateway, and only then stops the one before, which ends when its requests have ended."""
        before = self.started[-1]
        self.start()
        assert before.stop() == 0


@pytest.fixture
def port(model, tmp_path):
    port = Port(tmp_path, model)
    yield port
    for gateway in port.started:
        gateway.stop()


def test_clients_of_http_1_see_no_failed_request(port):
    with Load([port.start()], ["/health"], clients=8) as load:
        for restart in range(1, RESTARTS + 1):
            port.roll()
            seen = len(load.answers)
            until(lambda: len(load.answers) > seen + 100, "the new gateway serves")
        load.stop()
    assert set(load.codes("/health")) == {200}
    # The last one serves all of them, as the ones before it did.
    assert port.started[-1].metric("sluicegate_connections") <= 8


def test_clients_of_http_2_see_no_failed_request(port):
    port.start()
    address = ("127.0.0.1", int(port.url.rpartition(":")[2]))
    loads = [Http2Load(address, "/health") for _ in range(4)]
    for _ in range(RESTARTS):
        port.roll()
        seen = [load.answered for load in loads]
        until(lambda: all(load.answered > before + 20 for load, before in zip(loads, seen)), "all are served")
    for load in loads:
        load.stop()
        assert load.failures == []
        assert load.connections > RESTARTS


def test_without_reuse_port_the_port_is_nobody_elses(start, model, tmp_path):
    gateway = start("")
    other = tmp_path / "other"
    other.mkdir()
    listen = {"SLUICEGATE_GATEWAY__LISTEN": gateway.url.removeprefix("http://")}
    with pytest.raises(AssertionError, match="(?s)exited with 1.*cannot listen on"):
        Gateway(other, model.url, "", listen)
    assert httpx.get(f"{gateway.url}/health").status_code == 200
