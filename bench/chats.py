"""Chats with a model: the policies, requests and clients that measurements of tokens share, and the mock model behind them."""

import asyncio
import json
import os
import re
import time
import urllib.request
from dataclasses import dataclass

from proxies import LOAD_CPU, PROXY_CPU, Bench, free_port, process

PATH = "/v1/chat/completions"
POLICY = """
[gateway]
listen   = "127.0.0.1:{port}"
admin    = "127.0.0.1:{admin}"
upstream = "http://127.0.0.1:{upstream}"
threads  = 1
{more}

[[route]]
path   = "/v1/chat/completions"
{route}
"""
# As many limits without tokens as with them, none of which is ever reached.
UNMETERED = 'limits = ["1000000000/minute", { name = "second", quota = "1000000000/minute" }]'
METERED = 'meter = "openai"\nlimits = ["1000000000/minute", "1000000000 tokens/minute"]'
PROSE = (
    "Please read the report below and tell me in three short paragraphs what changed since last year, which of its "
    "figures you would check first, and why. Keep the tone friendly, but do not leave out what speaks against us. "
)


def chat(size: int = 1024, *, streams: bool = True, asks_for_usage: bool = False, fields: str = "", **members) -> bytes:
    """A request over HTTP/1.1 whose body has `size` bytes. `fields` are lines of its head: settings of the mock model."""
    body = {"model": "mock-model", "max_tokens": 1000, **members}
    if body["max_tokens"] is None:
        del body["max_tokens"]
    if streams:
        body["stream"] = True
    if asks_for_usage:
        body["stream_options"] = {"include_usage": True}
    body["messages"] = [{"role": "user", "content": ""}]
    room = size - len(json.dumps(body))
    body["messages"][0]["content"] = (PROSE * (room // len(PROSE) + 1))[: max(room, 1)]
    text = json.dumps(body).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: models.example\r\nUser-Agent: bench/1\r\nAccept: */*\r\n{fields}"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


def mock_model(bench: Bench, cpus: str = LOAD_CPU):
    """A model server without a model, which answers as requests tell it to."""
    return process(cpus, [bench.mock_model, "--listen", f"127.0.0.1:{bench.upstream}"])


def gateway(bench: Bench, route: str, *, more: str = "", cpus: str = PROXY_CPU):
    """The gateway before the mock model, and its port."""
    port = free_port()
    policy = POLICY.format(port=port, admin=free_port(), upstream=bench.upstream, route=route, more=more)
    config = bench.written(f"chats-{port}.toml", policy)
    return port, process(cpus, [bench.binary, "serve", "--config", config], env={"SLUICEGATE_LOG": "error", **os.environ})


def wait_until_it_answers(port: int, fields: str = "") -> None:
    """Waits until a chat gets a 200."""
    request, deadline = chat(streams=False, fields=fields), time.monotonic() + 120
    while True:
        try:
            [response] = asyncio.run(ask(port, request))
            if response.status == 200:
                return
        except OSError:
            response = None
        if time.monotonic() > deadline:
            raise TimeoutError(f"port {port} does not answer with 200, but {response}")
        time.sleep(0.1)


def books(bench: Bench) -> dict:
    """The totals of all that the mock model has done since the last call."""
    url = f"http://127.0.0.1:{bench.upstream}/control"
    with urllib.request.urlopen(f"{url}/totals", timeout=20) as answer:
        totals = json.load(answer)
    urllib.request.urlopen(urllib.request.Request(f"{url}/ledger", method="DELETE"), timeout=20).close()
    return totals


def set_model(bench: Bench, **settings) -> None:
    """Changes the settings of the mock model for all requests."""
    url, data = f"http://127.0.0.1:{bench.upstream}/control/settings", json.dumps(settings).encode()
    fields = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, data, fields, method="PUT"), timeout=20).close()


@dataclass
class Response:
    """A response: its status, the seconds until its first byte of content and until its end, and its events."""

    status: int
    first: float
    whole: float
    events: int


class Client(asyncio.Protocol):
    """A connection that sends one request at a time."""

    @classmethod
    async def connect(cls, port: int) -> "Client":
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    def __init__(self):
        self.head, self.events, self.tail, self.end = b"", 0, b"", None

    def connection_made(self, transport):
        self.transport = transport

    async def ask(self, request: bytes) -> Response:
        """The response to a request, when all of it has come."""
        await self.events_of(request, None)
        return Response(self.status, self.first - self.sent, time.perf_counter() - self.sent, self.events)

    async def events_of(self, request: bytes, events: int | None) -> None:
        """Waits for so many events of the response to a request, or for all."""
        self.head, self.status, self.first, self.left, self.events, self.tail = b"", None, None, None, 0, b""
        self.wanted, self.end = events, asyncio.get_running_loop().create_future()
        self.sent = time.perf_counter()
        self.transport.write(request)
        await asyncio.wait_for(self.end, 120)

    def data_received(self, data):
        if self.status is None:
            head, end, data = (self.head + data).partition(b"\r\n\r\n")
            if not end:
                self.head = head
                return
            self.status = int(head[9:12])
            length = re.search(rb"content-length: *(\d+)", head, re.I)
            self.left = int(length[1]) if length else None
        if data and self.first is None:
            self.first = time.perf_counter()
        self.events += data.count(b"data: ")
        if self.left is None:
            self.tail = (self.tail + data)[-7:]
            is_whole = self.tail.endswith(b"\r\n0\r\n\r\n")
        else:
            self.left -= len(data)
            is_whole = self.left == 0
        if not self.end.done() and (is_whole or (self.wanted is not None and self.events >= self.wanted)):
            self.end.set_result(None)

    def connection_lost(self, error):
        if self.end is not None and not self.end.done():
            self.end.set_exception(ConnectionResetError(f"the connection is gone: {error}"))

    def close(self) -> None:
        self.transport.close()


async def ask(port: int, request: bytes, connections: int = 1, times: int = 1) -> list[Response]:
    """Sends a request so many times over each of some connections, again as soon as the response has ended."""

    async def one() -> list[Response]:
        client = await Client.connect(port)
        responses = [await client.ask(request) for _ in range(times)]
        client.close()
        return responses

    return sum(await asyncio.gather(*(one() for _ in range(connections))), [])
