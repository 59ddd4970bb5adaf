"""A stream of server-sent events to many clients: the upstream that sends them, and the clients that count them.

    python3 bench/sse.py serve PORT EVENTS_PER_SECOND
    python3 bench/sse.py read PORT CLIENTS SECONDS     # prints "all" once everybody has an event, then how many came
"""

import asyncio
import select
import socket
import sys
import time

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":" token"}}],"id":"cmpl-0123456789","created":1760000000}\n\n'
CHUNK = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"
# In how many turns the clients get their event, so that not all come at once.
TURNS = 50


class Stream(asyncio.Protocol):
    """One client of the upstream, which gets events until it leaves."""

    all: list["Stream"] = []

    def connection_made(self, transport):
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = transport
        self.head = b""

    def data_received(self, data):
        self.head += data
        if b"\r\n\r\n" in self.head and self not in Stream.all:
            self.transport.write(HEAD)
            Stream.all.append(self)

    def connection_lost(self, _):
        if self in Stream.all:
            Stream.all.remove(self)


async def serve(port: int, per_second: float) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(Stream, "127.0.0.1", port, backlog=4096)
    began, turn = loop.time(), 0
    while True:
        for stream in Stream.all[turn % TURNS::TURNS]:
            stream.transport.write(CHUNK)
        turn += 1
        await asyncio.sleep(max(0, began + turn / TURNS / per_second - loop.time()))


def read(port: int, clients: int, seconds: float) -> None:
    """Counts for some seconds from when every client has its first event."""
    poll, sockets = select.epoll(), {}
    for _ in range(clients):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"GET /predict HTTP/1.1\r\nHost: model\r\nAccept: text/event-stream\r\n\r\n")
        client.setblocking(False)
        poll.register(client, select.EPOLLIN)
        sockets[client.fileno()] = client
    silent, events, end = set(sockets), 0, None
    while end is None or time.monotonic() < end:
        for number, _ in poll.poll(1):
            data = sockets[number].recv(1 << 16)
            if not data:
                sys.exit("a client was cut")
            events += data.count(b"data: ")
            silent.discard(number)
        if end is None and not silent:
            print("all", flush=True)
            end, events = time.monotonic() + seconds, 0
    print(events)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2]), float(sys.argv[3])))
    else:
        read(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
