"""Requests of every kind at once, over gateways that are killed meanwhile, and what the client of each has seen."""

import asyncio
import json
import random
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from dialects import BODIES, DELTAS
from server import TIMEOUT

# A caller is drawn as often as it is here.
CALLERS = [f"heavy-{number}" for number in range(4)] * 4 + [f"light-{number}" for number in range(8)]
MARGIN = 1  # seconds in which a gateway that lives has settled a request that has ended


@dataclass
class Request:
    """A request, and then what its client has seen of the response."""

    id: str
    caller: str
    path: str
    body: dict
    settings: dict
    leaves_after: int | None = None  # chunks of tokens
    leaves_unanswered: float | None = None  # seconds
    boot: tuple | None = None  # the gateway and its start
    status: int | None = None
    balances: dict = field(default_factory=dict)
    chunks: int = 0
    is_whole: bool = False
    ended: float | None = None

    def bytes(self):
        body = json.dumps({"model": "mock", **self.body})
        fields = {"x-caller": self.caller, "x-request-id": self.id, "content-length": len(body), **self.settings}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {self.path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{head}\r\n{body}".encode()


def requests(count, seed):
    """Requests of random sizes: most are whole, and others are left, refused or broken off."""
    chance = random.Random(seed)
    return [request(chance, f"{seed}-{number}") for number in range(count)]


def request(chance, name):
    kind = chance.choices(["whole", "left", "unanswered", "refused", "broken"], [60, 15, 5, 8, 12])[0]
    is_counted = kind in ("left", "broken")
    path = chance.choice(list(DELTAS if is_counted else BODIES))
    most, made = chance.randint(1, 60), chance.randint(1, 80)
    if path == "/v1/chat/completions" and kind != "unanswered":
        most = chance.choice([None, most])
    body = {**BODIES[path](most), "stream": is_counted or (kind != "unanswered" and chance.random() < 0.7)}
    if "messages" in body:
        body["messages"] = [{"role": "user", "content": "How many gates? " * chance.randint(1, 20)}]
    settings = {
        "x-mock-output-tokens": made,
        "x-mock-input-tokens": chance.randint(1, 100),
        "x-mock-pause-ms": chance.choice([0, 0, 1, 5]),
        "x-mock-latency-ms": chance.choice([0, 10, 50]),
        "x-mock-usage": chance.choice(["asked", "running", "last"]),
    }
    asked = Request(name, chance.choice(CALLERS), path, body, settings)
    reached = chance.randint(0, min(made, most or made))
    if kind == "left":
        asked.leaves_after = reached
        if chance.random() < 0.7:
            settings |= {"x-mock-fail": "hang", "x-mock-fail-after": reached}
    elif kind == "broken":
        failure = chance.choice(["error", "end", "close", "reset"])
        settings |= {"x-mock-fail": failure, "x-mock-fail-after": reached}
    elif kind == "refused":
        settings["x-mock-status"] = chance.choice([400, 429, 500, 503])
    elif kind == "unanswered":
        settings["x-mock-latency-ms"] = 100
        asked.leaves_unanswered = chance.random() / 10
    return asked


class Run:
    """Sends all requests, `at_once` at a time, each to one of the gateways that listen."""

    def __init__(self, gateways, requests, at_once):
        self.gateways = gateways
        self.requests = requests
        self.boots = [0] * len(gateways)
        self.killed = {}  # times, by gateway and start
        self.down = None  # the gateway that is killed and not ready again
        self.ended = 0
        self.at_once = asyncio.Semaphore(at_once)
        self.chance = random.Random(1)

    async def go(self, watch):
        """Kills each gateway once meanwhile and starts it again, and calls `watch` with one that lives again and again."""
        watching = asyncio.create_task(self._watch(watch))
        killing = asyncio.create_task(self._kill())
        await asyncio.gather(*(self._ask(request) for request in self.requests))
        await killing
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    def is_settled(self, request):
        """Returns `True` if the request's gateway has lived until it must have settled it."""
        died = self.killed.get(request.boot)
        return died is None or request.ended + MARGIN < died

    async def _kill(self):
        for index, gateway in enumerate(self.gateways):
            share = (index + 1) / (len(self.gateways) + 1)
            while self.ended < share * len(self.requests):
                await asyncio.sleep(0.005)
            self.down = index
            self.killed[index, self.boots[index]] = time.monotonic()
            gateway.kill()
            self.boots[index] += 1
            await asyncio.to_thread(gateway.start)
            self.down = None

    async def _watch(self, watch):
        while True:
            index = self.chance.randrange(len(self.gateways))
            boot = self.boots[index]
            try:
                await asyncio.to_thread(watch, self.gateways[index])
            except httpx.HTTPError:
                # One that is killed meanwhile does not answer.
                if self.boots[index] == boot and self.down != index:
                    raise
                await asyncio.sleep(0.01)

    async def _ask(self, request):
        async with self.at_once, asyncio.timeout(2 * TIMEOUT):
            reader, writer = await self._connect(request)
            try:
                writer.write(request.bytes())
                if request.leaves_unanswered is None:
                    await self._read(request, reader)
                else:
                    await asyncio.sleep(request.leaves_unanswered)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # the gateway is killed, or the response is broken
            finally:
                request.ended = time.monotonic()
                writer.transport.abort()
                self.ended += 1

    async def _connect(self, request):
        while True:
            index = self.chance.randrange(len(self.gateways))
            request.boot = (index, self.boots[index])
            try:
                return await asyncio.open_connection(*self.gateways[index].address())
            except ConnectionError:
                await asyncio.sleep(0.001)

    async def _read(self, request, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        request.balances = {name: int(left) for name, left in re.findall(r'"(\w+)";r=(\d+)', head)}
        request.status = int(head[9:12])
        if length := re.search(r"\r\ncontent-length: (\d+)", head):
            await reader.readexactly(int(length[1]))
            request.is_whole = True
            return
        body, mark = b"", DELTAS.get(request.path)
        while True:
            if request.leaves_after is not None and request.chunks >= request.leaves_after:
                return
            size = int(await reader.readuntil(b"\r\n"), 16)
            body += (await reader.readexactly(size + 2))[:-2]
            request.chunks = len(mark.findall(body)) if mark else 0
            if size == 0:
                request.is_whole = True
                return
