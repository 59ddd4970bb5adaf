#!/usr/bin/env python3
"""Counts the instructions that a rate limit adds to a request of a FastAPI app. Other programs on the machine do not
disturb them.

    pip install maturin && maturin build --release -m crates/sluicegate-python/Cargo.toml
    apt-get install valgrind
    python3 bench/python_instructions.py [--only REGEX] [--sluicegate PATH]

The apps are those of bench/python.py whose limits are kept in memory, called without a server. Valgrind's callgrind counts what
50 and 250 requests of each take: their difference leaves out what happens once. Waiting for memory and system calls is not counted.
"""

import asyncio
import gc
import os
import re
import subprocess
import sys

import python

FEW, MANY = 50, 250


def main() -> int:
    options = python.arguments()
    contenders = [it for it in python.CONTENDERS if it.pair == "memory" and re.search(options.only, it.name)]
    print("| contender | instructions | added | ratio to slowapi's |")
    print("|---|---|---|---|")
    slowapi = None
    for name in dict.fromkeys(it.environment for it in contenders):
        chosen = [it for it in contenders if it.environment == name]
        bare, *rest = counted(python.environment(name, options), [python.BARE, *chosen], options)
        for contender, count in zip(chosen, rest):
            slowapi = count - bare if name == "slowapi" else slowapi
            ratio = f"{(count - bare) / slowapi:.2f}" if slowapi else "–"
            print(f"| {contender.title} | {count:,.0f} | {count - bare:,.0f} | {ratio} |", flush=True)
    return 0


def counted(interpreter, contenders, options) -> list[float]:
    """Instructions of a request of each."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", interpreter, __file__]
    environment = {**os.environ, **options.path, "PYTHONHASHSEED": "0", "SERVED": " ".join(it.name for it in contenders)}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stderr
    # One for each child, and the last for the process that has all apps.
    totals = [int(count) for count in re.findall(r"Collected : (\d+)", told)]
    assert len(totals) == 2 * len(contenders) + 1, told
    return [(many - few) / (MANY - FEW) for few, many in zip(totals[::2], totals[1::2])]


def serve(names: list[str]) -> None:
    """Serves few and many requests of each app, in a child for each, which begins with the same counts."""
    import python_apps

    apps = [python_apps.CONTENDERS[name]() for name in names]
    for app in apps:
        for requests in (FEW, MANY):
            child = os.fork()
            if child == 0:
                gc.disable()
                asyncio.run(send(app, requests))
                os._exit(0)
            os.waitpid(child, 0)
    os._exit(0)


async def send(app, requests: int) -> None:
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def forget(message):
        if message["type"] == "http.response.start" and message["status"] != 200:
            os.abort()

    for _ in range(requests):
        await app({**HEAD, "headers": list(HEADERS), "state": {}}, receive, forget)


HEAD = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "root_path": "",
    "path": "/limited",
    "raw_path": b"/limited",
    "query_string": b"",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 50000),
}
HEADERS = [(b"host", b"127.0.0.1:8000")]

if __name__ == "__main__":
    if "SERVED" in os.environ:
        serve(os.environ["SERVED"].split())
    sys.exit(main())
