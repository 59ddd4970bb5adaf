#!/usr/bin/env python3
"""The cost of metering tokens: the gateway with a limit of tokens beside the gateway without one, and beside nginx.

    cargo build --release --workspace --bin sluicegate --bin mock-model
    apt-get install nginx-light
    python3 bench/metering.py [--only streams,first-byte] [--rounds 7]

The gateway has one worker, pinned to CPU 0. The mock model and the clients, which are in this process, are pinned to CPU 1.
Requests are chats of 1 KB. Four tables:

* streams: processor time of a chat and its stream of 200 chunks;
* prompts: time from the last byte of a request of 400 KB until the upstream has all of it;
* first-byte: time from a request until the first byte of its stream, beside nginx;
* memory: private memory of an open stream.

Contenders are interleaved, and differences and ratios are taken within a round.
"""

import argparse
import asyncio
import contextlib
import os
import pathlib
import re
import socket
import statistics
import sys
import tempfile
import threading
import time

import chats
from chats import METERED, UNMETERED, Client, chat
from environments import parsed
from instructions import connect
from proxies import LOAD_CPU, Bench, Entry, free_port, nginx, processor_time

CONTENDERS = {"unmetered": UNMETERED, "metered": METERED}


def main() -> None:
    options = arguments()
    os.sched_setaffinity(0, {int(LOAD_CPU)})
    for table in options.only.split(","):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
            bench = Bench(pathlib.Path(folder), options.sluicegate, 64, options.mock_model)
            began = time.monotonic()
            TABLES[table](bench, options, running)
            print(f"\n{table}: {time.monotonic() - began:.0f} s", file=sys.stderr)


def gateways(bench: Bench, running: contextlib.ExitStack) -> dict:
    """The port and the process of each contender, all of which run."""
    started = {}
    for name, route in CONTENDERS.items():
        port, gateway = chats.gateway(bench, route)
        started[name] = (port, running.enter_context(gateway).pid)
    return started


def streams(bench: Bench, options, running) -> None:
    """Both contenders do the same work in each round, so all of a process's time is counted, to its last response."""
    running.enter_context(chats.mock_model(bench))
    started, spent = gateways(bench, running), {}
    for port, _ in started.values():
        chats.wait_until_it_answers(port)
    for _ in range(options.rounds):
        for pace, (fields, connections, times) in PACES.items():
            for usage, asks in USAGES.items():
                request = chat(asks_for_usage=asks, fields=f"x-mock-output-tokens: {CHUNKS}\r\n{fields}")
                for name, (port, pid) in started.items():
                    before = processor_time(pid)
                    responses = asyncio.run(chats.ask(port, request, connections, times))
                    took = (processor_time(pid) - before) / len(responses) * 1e6
                    check(responses, name)
                    spent.setdefault((pace, usage), {}).setdefault(name, []).append(took)
                    note(f"{pace}, {usage}, {name}: {took:.0f} µs")
    print(f"\nProcessor time of a chat of 1 KB and its {CHUNKS} chunks, {options.rounds} rounds\n")
    print("| chunks come | usage | unmetered, µs | metered, µs | ratio (min–max) |")
    print("|---|---|---|---|---|")
    for (pace, usage), rounds in spent.items():
        ratio = [metered / unmetered for metered, unmetered in zip(rounds["metered"], rounds["unmetered"])]
        cells = [f"{median(rounds[name]):.0f}" for name in CONTENDERS]
        print(f"| {pace} | {usage} | {' | '.join(cells)} | {spread(ratio, 3)} |")


def first_byte(bench: Bench, options, running) -> None:
    running.enter_context(chats.mock_model(bench))
    started = {name: port for name, (port, _) in gateways(bench, running).items()}
    entry = Entry(streams=True)
    running.enter_context(nginx(bench, entry))
    started = {"nginx": entry.port, **started}
    for port in started.values():
        chats.wait_until_it_answers(port)
    waits = {}
    for _ in range(options.rounds):
        for connections, (fields, times) in FIRST.items():
            for name, port in started.items():
                responses = asyncio.run(chats.ask(port, chat(fields=fields), connections, times))
                check(responses, name)
                quantiles = statistics.quantiles((response.first * 1e6 for response in responses), n=100)
                waits.setdefault(connections, {}).setdefault(name, []).append((quantiles[49], quantiles[98]))
                note(f"{connections} at a time, {name}: p50 {quantiles[49]:.0f} µs, p99 {quantiles[98]:.0f} µs")
    print(f"\nFirst byte of a stream, {options.rounds} rounds\n")
    print("| streams at a time | proxy | p50, µs | later than nginx, µs (min–max) | p99, µs | later than nginx, µs (min–max) |")
    print("|---|---|---|---|---|---|")
    for connections, proxies in waits.items():
        for name, rounds in proxies.items():
            cells = []
            for which in range(2):
                later = [own[which] - nginx[which] for own, nginx in zip(rounds, proxies["nginx"])]
                cells += [f"{median(own[which] for own in rounds):.0f}", spread(later, 0)]
            print(f"| {connections} | {name} | {' | '.join(cells)} |")


def prompts(bench: Bench, options, running) -> None:
    """The upstream is a thread of this process, so both ends have the same clock."""
    upstream = Receiver(bench.upstream)
    started = {name: port for name, (port, _) in gateways(bench, running).items()}
    request = chat(PROMPT, streams=False)
    connections, waits = {name: connect(port) for name, port in started.items()}, {name: [] for name in started}
    for connection in connections.values():
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in range(options.prompts + WARM_UP):
        for name, connection in connections.items():
            connection.sendall(request)
            sent = time.perf_counter()
            answer = b""
            while not answer.endswith(USAGE):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            if number >= WARM_UP:
                waits[name].append((upstream.received - sent) * 1e6)
    quantiles = {name: statistics.quantiles(wait, n=100) for name, wait in waits.items()}
    added = [metered - unmetered for unmetered, metered in zip(waits["unmetered"], waits["metered"])]
    print(f"\nA prompt of {PROMPT // 1000} KB, from its last byte until the upstream has it, {options.prompts} times\n")
    print("| | p50, µs | p99, µs |")
    print("|---|---|---|")
    for name, values in quantiles.items():
        print(f"| {name} | {values[49]:.0f} | {values[98]:.0f} |")
    p50, p99 = (quantiles["metered"][at] - quantiles["unmetered"][at] for at in (49, 98))
    print(f"| added | {p50:.0f} | {p99:.0f} |")
    print(f"\nMedian of what a request took longer than the one before it: {median(added):.0f} µs")


def memory(bench: Bench, options, running) -> None:
    """Each contender is a fresh process in each round."""
    running.enter_context(chats.mock_model(bench))
    taken = {}
    cases = [("unmetered", UNMETERED, True), ("metered, usage asked for", METERED, True), ("metered, usage taken out", METERED, False)]
    rounds = min(options.rounds, 3)
    for _ in range(rounds):
        for name, route, asks in cases:
            port, gateway = chats.gateway(bench, route)
            with gateway as process:
                chats.wait_until_it_answers(port)
                request = chat(asks_for_usage=asks, fields=f"x-mock-fail: hang\r\nx-mock-fail-after: {READ}\r\n")
                bytes_ = asyncio.run(of_open_streams(port, process.pid, request, options.streams))
                taken.setdefault(name, []).append(bytes_ / options.streams / 1024)
                note(f"{name}: {taken[name][-1]:.1f} KB a stream")
    print(f"\nPrivate memory of {options.streams} open streams after {READ} chunks, {rounds} fresh processes each\n")
    print("| | KB a stream | more than unmetered, KB (min–max) |")
    print("|---|---|---|")
    for name, values in taken.items():
        more = [own - unmetered for own, unmetered in zip(values, taken["unmetered"])]
        print(f"| {name} | {median(values):.1f} | {spread(more, 1)} |")


async def of_open_streams(port: int, pid: int, request: bytes, count: int) -> int:
    """Bytes that a process has more, once it has so many streams."""
    before, clients = private(pid), []
    for _ in range(count // 50):
        group = await asyncio.gather(*(Client.connect(port) for _ in range(50)))
        # The first event has the role, and each of the others a token.
        await asyncio.gather(*(client.events_of(request, READ + 1) for client in group))
        clients += group
    more = private(pid) - before
    for client in clients:
        client.close()
    return more


def private(pid: int) -> int:
    """Bytes of memory that only this process has."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty: +(\d+) kB", rollup)[1]) * 1024


class Receiver:
    """An upstream that takes note of when it has the whole of a request."""

    def __init__(self, port: int):
        self.received = 0.0
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=[connection], daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        room = memoryview(bytearray(1 << 20))
        while length := connection.recv_into(room):
            head = bytes(room[:length])
            end = head.index(b"\r\n\r\n") + 4
            left = int(re.search(rb"content-length: *(\d+)", head, re.I)[1]) - (length - end)
            while left:
                left -= connection.recv_into(room)
            self.received = time.perf_counter()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(USAGE), USAGE))


def check(responses, name: str) -> None:
    if any(response.status != 200 for response in responses):
        sys.exit(f"{name} answered {[response.status for response in responses if response.status != 200]}")


def spread(values, digits: int) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def note(line: str) -> None:
    print(line, file=sys.stderr)


median = statistics.median
CHUNKS = 200
# How the chunks of a stream come: the settings of the mock model, connections, and requests on each.
PACES = {
    "every 4 ms": ("x-mock-pause-ms: 4\r\n", 32, 2),
    "without a pause": ("", 4, 50),
}
# The client asks for the usage itself, or the gateway does and takes it out again.
USAGES = {"asked for": True, "added and taken out": False}
# Streams at a time: the settings of the mock model, and requests on each connection.
FIRST = {
    1: ("x-mock-output-tokens: 2\r\nx-mock-pause-ms: 1\r\n", 300),
    50: ("x-mock-output-tokens: 8\r\nx-mock-pause-ms: 15\r\n", 12),
}
PROMPT, WARM_UP = 400_000, 20
# Chunks of each stream before its memory is read.
READ = 20
USAGE = b'{"choices":[],"usage":{"prompt_tokens":100000,"completion_tokens":1,"total_tokens":100001}}'
TABLES = {"streams": streams, "prompts": prompts, "first-byte": first_byte, "memory": memory}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TABLES), help="the tables to measure, with commas between them")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--prompts", type=int, default=300, help="requests with a long prompt")
    parser.add_argument("--streams", type=int, default=1000, help="open streams, a multiple of 50")
    return parsed(parser, "nginx", "nginx-light")


if __name__ == "__main__":
    main()
