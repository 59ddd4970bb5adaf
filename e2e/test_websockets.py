"""WebSockets of a FastAPI app, through the gateway."""

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from model import FLOWER
from server import TIMEOUT, until

ONE = """
[[route]]
path = "/socket"
limits = [{ name = "sockets", quota = "1 concurrent" }]
"""


def socket(gateway):
    return connect(f"{gateway.url.replace('http', 'ws', 1)}/socket", open_timeout=TIMEOUT, close_timeout=TIMEOUT)


def test_a_socket_holds_its_slot_for_as_long_as_it_is_open(start):
    gateway = start(ONE)

    with socket(gateway) as first:
        assert first.response.headers["ratelimit"] == '"sockets";r=0'
        for _ in range(3):
            first.send(json.dumps(FLOWER["input"]))
            assert json.loads(first.recv(TIMEOUT)) == "setosa"

        with pytest.raises(InvalidStatus) as denied, socket(gateway):
            pass
        assert denied.value.response.status_code == 429
        assert denied.value.response.headers["retry-after"] == "1"

    until(lambda: opens(gateway), "the slot is free")


def test_a_large_message_passes_whole(start):
    with socket(start("")) as open_socket:
        open_socket.send(" " * 900_000 + json.dumps(FLOWER["input"]))
        assert json.loads(open_socket.recv(TIMEOUT)) == "setosa"


def test_a_socket_that_is_open_when_the_gateway_drains_is_served_until_it_is_closed(start):
    gateway = start("")
    with socket(gateway) as open_socket:
        gateway.terminate()
        open_socket.send(json.dumps(FLOWER["input"]))
        assert json.loads(open_socket.recv(TIMEOUT)) == "setosa"
    assert gateway.wait() == 0


def opens(gateway):
    try:
        with socket(gateway):
            return True
    except InvalidStatus:
        return False
