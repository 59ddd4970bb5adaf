"""Connections of the decision server that ask for nothing."""

import resource
import socket

import httpx
import pytest

from process import Process
from server import TIMEOUT, free_port

IDLE = 10_000
POLICY = """
[decisions]
listen = "{address}"

[[route]]
path   = "/predict"
limits = [{{ quota = "10/hour", algorithm = "fixed-window" }}]
"""
ASKED = {"x-forwarded-method": "POST", "x-forwarded-uri": "/predict", "x-forwarded-for": "192.0.2.1"}


@pytest.fixture
def server(start):
    """A gateway, and the address of its decision server."""
    address = f"127.0.0.1:{free_port()}"
    return start(POLICY.format(address=address)), address


@pytest.fixture
def many_files():
    """Lets this process, and those that it starts, open as many files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 1000:
        pytest.skip(f"the system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections_keep_nobody_from_a_decision(many_files, server):
    gateway, address = server
    host, port = address.split(":")
    process = Process(gateway)
    process.watch()
    idle = []
    try:
        for number in range(IDLE):
            connection = socket.create_connection((host, int(port)), timeout=TIMEOUT)
            idle.append(connection)
            # Half of them say nothing, and the others begin a request.
            if number % 2:
                connection.sendall(b"GET /forward-auth HTTP/1.1\r\nhost: a\r\nx-forw")
        with httpx.Client(base_url=f"http://{address}", headers=ASKED, timeout=TIMEOUT) as client:
            statuses = [client.get("/forward-auth").status_code for _ in range(12)]
        growth = process.growth()
    finally:
        for connection in idle:
            connection.close()

    assert statuses == [200] * 10 + [429] * 2
    assert growth < IDLE * 20 * 1024, f"{growth / IDLE} bytes for each connection"


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# An empty SETTINGS frame, and one of a type that nobody knows, which announces 16 MiB.
SETTINGS = bytes(3) + b"\4\0" + bytes(4)
LARGE_FRAME = b"\xff\xff\xff\x7f\0" + bytes(4)


@pytest.mark.parametrize(
    "sent",
    [bytes(1 << 20), b"GET /forward-auth HTTP/1.1\r\n" + b"a: b\r\n" * 50_000, PREFACE + SETTINGS + LARGE_FRAME],
    ids=["zeros", "headers", "frame"],
)
def test_a_connection_that_speaks_nothing_known_is_closed_and_others_are_answered(server, sent):
    gateway, address = server
    host, port = address.split(":")
    process = Process(gateway)
    process.watch()
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as connection:
        try:
            connection.sendall(sent)
            while connection.recv(1 << 16):
                pass
        except ConnectionError:
            # It was closed before all was sent.
            pass
    growth = process.growth()
    status = httpx.get(f"http://{address}/forward-auth", headers=ASKED, timeout=TIMEOUT).status_code

    assert status == 200
    assert growth < 4 << 20
