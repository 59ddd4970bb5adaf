"""A hundred thousand requests, of which most fail in one way or another: each ends as it should, and nothing is left."""

import asyncio
import os
import random
import signal
import time
from collections import Counter

import frames
from process import Process
from server import free_port, until

REQUESTS = int(os.environ.get("FAILURES", "100000"))
AT_A_TIME = 48
SLOTS = 200
MEGABYTE = 1 << 20
POLICY = f"""
[gateway]
connect_timeout  = "1s"
response_timeout = "10s"
idle_timeout     = "10s"
header_timeout   = "10s"
keep_alive       = "1s"

[[route]]
path = "/slots/{{*rest}}"
limits = [{{ name = "slots", quota = "{SLOTS} concurrent" }}]

[[route]]
path = "/late/{{*rest}}"
limits = [{{ name = "late", quota = "{SLOTS} concurrent" }}]
response_timeout = "150ms"
idle_timeout = "300ms"

[[route]]
path = "/read/{{*rest}}"
meter = "bytes"
limits = ["1000000000000/day", {{ name = "read", quota = "{100 * SLOTS} concurrent" }}]
idle_timeout = "300ms"

[[route]]
path = "/denied"
limits = ["1/day"]
"""


QUIET = {"SLUICEGATE_LOG": "error"}


class Client:
    """A connection of HTTP/1.1, which is made anew when the last answer ended it."""

    def __init__(self, address):
        self.address = address
        self.reader = self.writer = None

    async def send(self, data):
        if self.writer is None or self.writer.is_closing() or self.reader.at_eof():
            self.leave()
            self.reader, self.writer = await asyncio.open_connection(*self.address)
        self.writer.write(data)

    async def answer(self):
        """The status of an answer, or "cut" if it ends too early; "none" without any."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.leave()
            return "none"
        head = head.lower()
        status = int(head[9:12])
        try:
            if b"\r\ncontent-length: " in head:
                length = int(head.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
                await self.reader.readexactly(length)
            elif b"\r\ntransfer-encoding" in head:
                await self.reader.readuntil(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.leave()
            return "cut"
        if b"\r\nconnection: close" in head:
            self.leave()
        return status

    def leave(self):
        if self.writer:
            self.writer.transport.abort()
        self.reader = self.writer = None


def get(path):
    return f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode()


def post(path, length, body=b"x" * 1000):
    return f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n".encode() + body


def asked(data, whole=True):
    async def ask(client):
        await client.send(data)
        status = await client.answer()
        if not whole:
            # What it sent next would be the rest of this request.
            client.leave()
        return status

    return ask


def vanishing(data, first=False):
    """A client that sends this, waits for the `first` byte of the answer or not, and is gone."""

    async def vanish(client):
        await client.send(data)
        if first:
            await client.reader.read(1)
        else:
            await asyncio.sleep(random.random() / 200)
        client.leave()

    return vanish


async def resetting(client):
    """A client of HTTP/2 that gives up most of its requests."""
    client.leave()
    await client.send(frames.BEGIN + frames.frame(frames.SETTINGS, 0, 0))
    for stream in range(1, 20, 2):
        path = random.choice(["/slots/hang", "/slots/stream", "/read/ok", "/slots/slow-head"])
        client.writer.write(frames.request(stream, path))
        await asyncio.sleep(random.random() / 500)
        client.writer.write(frames.reset(stream))
    client.leave()


# What is done, how often of a thousand, what it is answered, and within how many seconds.
KINDS = {
    "served": (asked(get("/slots/ok")), 200, {200}, 10),
    "served, and read before": (asked(post("/read/ok", 1000)), 100, {200}, 10),
    "denied": (asked(get("/denied")), 100, {429}, 10),
    "reset at once": (asked(get("/slots/reset-at-once")), 60, {502}, 10),
    "closed at once": (asked(get("/slots/close")), 60, {502}, 10),
    "nonsense": (asked(get("/slots/garbage")), 60, {502}, 10),
    "reset in the head": (asked(get("/slots/reset-in-head")), 40, {502}, 10),
    "reset in the body": (asked(get("/slots/reset-in-body")), 60, {"cut"}, 10),
    "shorter than said": (asked(get("/slots/short")), 60, {"cut"}, 10),
    "no answer": (asked(get("/late/hang")), 20, {504}, 10),
    "an answer that trickles": (asked(get("/late/slow-head")), 10, {504}, 10),
    "refused before it was read": (asked(post("/slots/early", 8 * MEGABYTE), whole=False), 40, {413}, 10),
    "a body that stops": (asked(post("/late/ok", 2000), whole=False), 10, {408}, 10),
    "a body that is read and stops": (asked(post("/read/ok", 2000), whole=False), 10, {408}, 10),
    "never read": (asked(post("/late/deaf", 1000)), 10, {504}, 10),
    "gone in the head": (vanishing(b"GET /slots/ok HTTP/1.1\r\nho"), 40, {None}, 10),
    "gone in the body": (vanishing(post("/slots/ok", 2000)), 40, {None}, 10),
    "gone in the body that is read": (vanishing(post("/read/ok", 2000)), 20, {None}, 10),
    "gone before the answer": (vanishing(get("/slots/hang")), 20, {None}, 10),
    "gone in the answer": (vanishing(get("/slots/stream"), first=True), 30, {None}, 10),
    "given up by HTTP/2": (resetting, 1, {None}, 10),
}


async def drive(gateway, requests, wrong, done):
    kinds = random.choices(list(KINDS), [often for _, often, _, _ in KINDS.values()], k=requests)
    kinds = iter(kinds)

    async def client():
        connection = Client(gateway.address())
        for kind in kinds:
            act, _, expected, seconds = KINDS[kind]
            began = time.monotonic()
            try:
                became = await asyncio.wait_for(act(connection), 20)
            except (TimeoutError, ConnectionError) as error:
                became = repr(error)
                connection.leave()
            done[kind] += 10 if kind == "given up by HTTP/2" else 1
            if became not in expected or time.monotonic() - began > seconds:
                wrong[kind, became] += 1
        connection.leave()

    await asyncio.gather(*(client() for _ in range(AT_A_TIME)))


def is_quiet(gateway):
    names = "sluicegate_in_flight_requests", "sluicegate_upstream_in_flight"
    return gateway.metric("sluicegate_connections") == 0 and all(gateway.labelled(name, "") == 0 for name in names)


def slots(gateway, route):
    """The number of free slots of a route: as many as can be held at once."""

    async def hold():
        streams = [Client(gateway.address()) for _ in range(SLOTS + 1)]
        for stream in streams:
            await stream.send(get(f"{route}/stream"))
        heads = [await stream.reader.readuntil(b"\r\n\r\n") for stream in streams]
        for stream in streams:
            stream.leave()
        return sum(head.startswith(b"HTTP/1.1 200") for head in heads)

    return asyncio.run(hold())


def test_a_hundred_thousand_failures_leave_nothing_behind(start, raw_server):
    gateway = start(POLICY, raw_server.url, QUIET)
    process = Process(gateway)
    wrong, done = Counter(), Counter()
    with gateway.client() as client:
        client.get("/denied")
    until(lambda: is_quiet(gateway), "the first request is over")
    until(lambda: not sockets_to(process, raw_server), "connections to the upstream are idle for too long")
    files = process.files_at_rest()

    rss = []
    for _ in range(10):
        asyncio.run(drive(gateway, REQUESTS // 10, wrong, done))
        until(lambda: is_quiet(gateway), f"nothing runs any more after {done}")
        rss.append(process.rss())

    print(dict(done), [size // 1024 for size in rss])
    assert not wrong, wrong
    assert sum(done.values()) >= REQUESTS
    assert (slots(gateway, "/slots"), slots(gateway, "/late")) == (SLOTS, SLOTS)
    until(lambda: is_quiet(gateway), "nothing runs any more")
    until(lambda: process.files() <= files, f"{files} files are open again")
    # What is taken at the beginning stays, and nothing is added.
    assert max(rss[5:]) - max(rss[:5]) < 4 * MEGABYTE, rss


def sockets_to(process, server):
    """Returns `True` if the process has connections to a server."""
    port = f":{int(server.url.rsplit(':', 1)[1]):04X}"
    lines = (process.folder / "net/tcp").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[2].endswith(port) and line.split()[3] == "01"]


def test_an_upstream_that_is_not_there_is_502_every_time(start):
    gateway = start(POLICY, f"http://127.0.0.1:{free_port()}", QUIET)
    process = Process(gateway)
    files = process.files_at_rest()
    with gateway.client() as client:
        for _ in range(2000):
            assert client.get("/slots/ok").status_code == 502
    until(lambda: is_quiet(gateway), "nothing runs any more")
    until(lambda: process.files() <= files, f"{files} files are open again")


def test_an_upstream_whose_name_is_gone_is_502_or_504_in_time(start):
    """It is 504 where whoever knows names takes too long to say that there is no such name."""
    gateway = start(POLICY, "http://nowhere.invalid:80", QUIET)
    process = Process(gateway)
    files = process.files_at_rest()
    with gateway.client() as client:
        for _ in range(20):
            answer = client.get("/slots/ok")
            assert answer.status_code in (502, 504)
            assert answer.elapsed.total_seconds() < 3
    until(lambda: is_quiet(gateway), "nothing runs any more")
    until(lambda: process.files() <= files, f"{files} files are open again")


def test_an_upstream_that_is_killed_and_comes_back(start, raw_server):
    gateway = start(POLICY, raw_server.url, QUIET)
    process = Process(gateway)
    with gateway.client() as client:
        assert client.get("/slots/ok").status_code == 200
        for _ in range(3):
            raw_server.process.send_signal(signal.SIGSTOP)
            assert client.get("/late/ok").status_code == 504
            raw_server.kill()
            assert {client.get("/slots/ok").status_code for _ in range(100)} == {502}
            raw_server.start()
            until(lambda: client.get("/slots/ok").status_code == 200, "it is served again")
        assert {client.get("/slots/ok").status_code for _ in range(100)} == {200}
    until(lambda: is_quiet(gateway), "nothing runs any more")
    assert process.rss() < 100 * MEGABYTE
