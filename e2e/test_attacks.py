"""Attacks on the gateway's process: each is ended or costs little, and others are served meanwhile."""

import re
import socket
import subprocess
import threading
import time

import pytest

import frames
from frames import CONTINUATION, DATA, END_HEADERS, HEADERS, PING, PRIORITY, SETTINGS, WINDOW_UPDATE, field, frame
from process import Process
from server import TIMEOUT, until

MEGABYTE = 1 << 20
POLICY = """
[gateway]
header_timeout    = "2s"
idle_timeout      = "3s"
client_keep_alive = "5s"
"""


class Bystander:
    """A client that asks without a pause while something else goes on, and is to be served."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.seconds = []
        self.failed = []

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def _ask(self):
        while not self.ended.is_set():
            began = time.monotonic()
            try:
                with self.gateway.client() as client:
                    for _ in range(5):
                        answer = client.get("/ok")
                        assert answer.status_code == 200, answer.status_code
            except Exception as error:
                self.failed.append(error)
            self.seconds.append(time.monotonic() - began)

    def was_served(self):
        assert not self.failed, self.failed[:3]
        assert max(self.seconds) < 15, self.seconds
        return True


def is_quiet(gateway):
    """Returns `True` if nothing is left of an attack."""
    names = "sluicegate_in_flight_requests", "sluicegate_upstream_in_flight"
    return gateway.metric("sluicegate_connections") == 0 and all(gateway.labelled(name, "") == 0 for name in names)


@pytest.mark.parametrize(
    "attack, path",
    [
        pytest.param(["-H", "-i", "1"], "/ok", id="slow-heads"),
        pytest.param(["-B", "-i", "5", "-s", "8192"], "/ok", id="slow-bodies"),
        pytest.param(["-X", "-n", "1", "-w", "512", "-y", "1024", "-z", "64"], "/gigabyte", id="slow-readers"),
    ],
)
def test_slow_clients_are_closed_and_others_served(start, raw_server, attack, path):
    gateway = start(POLICY, raw_server.url)
    process = Process(gateway)
    files = process.files_at_rest()

    command = ["slowhttptest", *attack, "-c", "200", "-r", "200", "-l", "15", "-p", "3", "-u", gateway.url + path]
    with Bystander(gateway) as bystander:
        tool = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        until(lambda: gateway.metric("sluicegate_connections") > 50, "the attack has begun")
        # The tool itself may take longer to see that it has lost its connections.
        until(lambda: gateway.metric("sluicegate_connections") < 10, "slow clients are closed")
        assert tool.poll() is None or "-X" not in attack, "they were closed before the tool ended"
        printed = tool.communicate(timeout=TIMEOUT)[0]
    assert bystander.was_served()
    told = re.findall(r"service available: *(\w+)", re.sub(r"\x1b\[[\d;]*m", "", printed))
    assert set(told) == {"YES"}, printed[-1000:]
    until(lambda: is_quiet(gateway), "nothing is left of it")
    until(lambda: process.files() <= files, f"{files} files are open again")


LARGE = b"\x40\x01z\x7f\x81\x1e" + b"v" * 4000  # a field of 4,000 bytes, which the table then knows as number 62
FLOODS = {
    "pings": frame(PING, 0, 0, b"12345678") * 1000,
    "settings": frame(SETTINGS, 0, 0, bytes([0, 3, 0, 0, 0, 100])) * 1000,
    "window updates": frame(WINDOW_UPDATE, 0, 1, (1).to_bytes(4, "big")) * 1000,
    "priorities": frame(PRIORITY, 0, 1, bytes([0, 0, 0, 3, 9])) * 1000,
    "unknown frames": frame(0x16, 0, 0, b"12345678") * 1000,
    "empty DATA": frame(DATA, 0, 1) * 1000,
    "DATA of one byte": frame(DATA, 0, 1, b"x") * 1000,
    "CONTINUATION": frame(CONTINUATION, 0, 3, field("x", "y") * 100) * 100,
    "CONTINUATION of nothing": frame(CONTINUATION, 0, 3) * 1000,
    "a field that expands": frame(CONTINUATION, 0, 3, b"\xbe" * 16_000) * 10,
}


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "not-reading"])
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_frames_takes_no_memory_and_nobodys_turn(start, raw_server, name, reads):
    gateway = start(POLICY, raw_server.url)
    process = Process(gateway)
    before = process.rss()
    attacker = frames.connect(gateway)
    attacker.settimeout(0.5)
    # A request that waits for its body, and for some of them a head that does not end.
    attacker.sendall(frames.request(1, "/hang", more=0))
    if "CONTINUATION" in name or "expands" in name:
        attacker.sendall(frame(HEADERS, 0, 3, LARGE if "expands" in name else b"\x82"))

    sent = 0
    with Bystander(gateway) as bystander:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            try:
                attacker.sendall(FLOODS[name])
                sent += len(FLOODS[name])
                while reads and attacker.recv(MEGABYTE, socket.MSG_DONTWAIT):
                    pass
            except BlockingIOError:
                pass
            except OSError:
                break  # it has ended, or takes no more
        assert process.peak() - before < 20 * MEGABYTE, f"after {sent} bytes"
        attacker.close()
    assert bystander.was_served()
    until(lambda: is_quiet(gateway), "nothing is left of it")


def test_a_flood_of_heads_is_refused_at_little_cost(start, raw_server):
    """Heads that are large, of many fields, and large only once they are decompressed; by both versions of HTTP."""
    gateway = start(POLICY, raw_server.url)
    process = Process(gateway)
    before = process.rss()
    many = "".join(f"x-{number}: 1\r\n" for number in range(5_000))
    heads = [f"x: {'v' * 70_000}\r\n", many, f"cookie: {'a=b; ' * 20_000}\r\n"]
    with Bystander(gateway) as bystander:
        for _ in range(300):
            for head in heads:
                with socket.create_connection(gateway.address(), timeout=TIMEOUT) as stream:
                    try:
                        stream.sendall(f"GET /ok HTTP/1.1\r\nhost: a\r\n{head}\r\n".encode())
                        assert stream.recv(100).startswith(b"HTTP/1.1 431 ")
                    except ConnectionError:
                        pass  # a reset, for it was closed before everything was read
            attacker = frames.connect(gateway)
            # The table knows the field after the first request; each byte of the others is 4,000 again.
            bombs = [frames.request(stream, "/ok", fields=LARGE if stream == 1 else b"\xbe" * 16) for stream in range(1, 200, 2)]
            try:
                attacker.sendall(b"".join(bombs))
            except ConnectionError:
                pass
            attacker.close()
    assert bystander.was_served()
    assert process.peak() - before < 20 * MEGABYTE
    until(lambda: is_quiet(gateway), "nothing is left of it")


@pytest.mark.parametrize("ending", [frames.reset, lambda stream: frame(WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff")], ids=["by-the-client", "by-the-gateway"])
@pytest.mark.parametrize("at_a_time", [10, 100])
def test_streams_that_are_reset_reach_the_upstream_only_so_often(start, raw_server, ending, at_a_time):
    """Rapid reset (CVE-2023-44487) and what makes the server reset (CVE-2025-8671), just slow enough to be accepted."""
    gateway = start(POLICY, raw_server.url)
    process = Process(gateway)
    before = process.rss()
    with Bystander(gateway) as bystander:
        attacker = frames.connect(gateway)
        attacker.settimeout(TIMEOUT)
        opened = 0
        try:
            while opened < 50_000:
                streams = range(2 * opened + 1, 2 * (opened + at_a_time) + 1, 2)
                attacker.sendall(b"".join(frames.request(stream, "/hang") for stream in streams))
                opened += at_a_time
                answered(attacker)
                attacker.sendall(b"".join(ending(stream) for stream in streams))
                answered(attacker)
        except OSError:
            pass
        assert opened <= 500 + 2 * at_a_time, f"{opened} streams"
        attacker.close()
        passed = gateway.labelled("sluicegate_requests_total", 'decision="allow"')
        assert passed <= opened + 5 * len(bystander.seconds) + 20
    assert bystander.was_served()
    assert process.peak() - before < 20 * MEGABYTE
    until(lambda: is_quiet(gateway), "nothing is left of it")


def answered(attacker):
    """Waits until everything that was sent has been read, which the answer to a PING tells."""
    attacker.sendall(frame(PING, 0, 0, b"the mark"))
    read = b""
    while b"the mark" not in read:
        piece = attacker.recv(MEGABYTE)
        if not piece:
            raise ConnectionError("closed")
        read = read[-8:] + piece
