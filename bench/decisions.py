#!/usr/bin/env python3
"""The decision server beside throttlecrab-server, in one run: decisions over HTTP and over the Redis protocol.

    cargo build --release -p sluicegate-gateway
    apt-get install protobuf-compiler wrk redis-tools
    python3 bench/decisions.py [--only 'RESP'] [--rounds 7] [--seconds 2]

Both servers run on one processor, CPU 0, and keep 10,000 accounts in memory. The load is pinned to CPU 1:
wrk asks `POST /throttle` of throttlecrab and `GET /forward-auth` of Sluicegate, redis-benchmark sends `THROTTLE` to both, one
command at a time and 16 pipelined. No limit is ever reached. throttlecrab-server is installed from crates.io when it is missing.

Rounds are interleaved, and the ratio to throttlecrab is taken within a round. The load may be slower than a server: processor
time per decision shows then what the rate hides.
"""

import argparse
import contextlib
import csv
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from environments import TARGET
from loads import Rate, microseconds, on_its_cpu
from proxies import PROXY_CPU, free_port, process, processor_time, resident

THROTTLECRAB = "0.4.40"
ACCOUNTS = 10_000
# Of each account: more than is ever asked for.
BURST, COUNT, PERIOD = 100_000, 100_000, 1


class Server:
    """A server with its ports."""

    def __init__(self, folder: pathlib.Path):
        self.folder, self.http, self.resp = folder, free_port(), free_port()


class Sluicegate(Server):
    name = "sluicegate"

    def start(self, options):
        config = self.folder / "sluicegate.toml"
        config.write_text(f"""
[gateway]
admin = "127.0.0.1:{free_port()}"
threads = 1

[decisions]
listen = "127.0.0.1:{self.http}"
resp = "127.0.0.1:{self.resp}"

[[route]]
path = "/predict"
limits = ["{COUNT}/second"]
""")
        log = {"SLUICEGATE_LOG": "error", **os.environ}
        return process(PROXY_CPU, [options.sluicegate, "serve", "--config", config], stderr=subprocess.DEVNULL, env=log)

    def script(self) -> str:
        return f"""
for account = 1, {ACCOUNTS} do
    local address = string.format("10.0.%d.%d", account / 250, account % 250)
    requests[account] = wrk.format("GET", "/forward-auth", {{
        ["X-Forwarded-Method"] = "GET", ["X-Forwarded-Uri"] = "/predict", ["X-Forwarded-For"] = address }})
end"""


class Throttlecrab(Server):
    name = "throttlecrab"

    def start(self, options):
        command = [options.throttlecrab, "--log-level", "error", "--http", "--http-host", "127.0.0.1", "--http-port", self.http,
                   "--redis", "--redis-host", "127.0.0.1", "--redis-port", self.resp]
        return process(PROXY_CPU, command, stderr=subprocess.DEVNULL)

    def script(self) -> str:
        return f"""
for account = 1, {ACCOUNTS} do
    local address = string.format("10.0.%d.%d", account / 250, account % 250)
    local body = '{{"key":"' .. address .. '","max_burst":{BURST},"count_per_period":{COUNT},"period":{PERIOD}}}'
    requests[account] = wrk.format("POST", "/throttle", {{ ["Content-Type"] = "application/json" }}, body)
end"""


def main() -> None:
    options = arguments()
    results = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        contenders = []
        for kind in (Throttlecrab, Sluicegate):
            server = kind(pathlib.Path(folder))
            contenders.append((server, running.enter_context(server.start(options)).pid))
            wait_for(server.http)
            wait_for(server.resp)
        ways = [way for way in WAYS if re.search(options.only, way)]
        for _ in range(options.rounds):
            for way in ways:
                for connections in CONNECTIONS:
                    for server, pid in contenders:
                        before = processor_time(pid)
                        rate = WAYS[way](server, connections, options.seconds)
                        spent = (processor_time(pid) - before) / rate.decisions * 1e6
                        row = results.setdefault((way, connections), {})
                        row.setdefault(server.name, []).append((rate, spent, resident(pid)))
                        print(f"{way}, {connections}, {server.name}: {rate.per_second:,.0f}/s, {spent:.2f} µs", file=sys.stderr)
    report(results)


def report(results) -> None:
    print("| way | connections | server | decisions/s | ratio (min–max) | processor, µs | ratio | p50, µs | p99, µs | RSS, MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for (way, connections), servers in results.items():
        peers = servers[Throttlecrab.name]
        for name, runs in servers.items():
            ratio = [run[0].per_second / peer[0].per_second for run, peer in zip(runs, peers)]
            spent = [run[1] / peer[1] for run, peer in zip(runs, peers)]
            per_second, p50, p99 = (median(getattr(run[0], which) for run in runs) for which in ("per_second", "p50", "p99"))
            print(f"| {way} | {connections} | {name} | {per_second:,.0f} | {median(ratio):.2f} ({min(ratio):.2f}–{max(ratio):.2f})"
                  f" | {median(run[1] for run in runs):.2f} | {median(spent):.2f} | {p50:.0f} | {p99:.0f}"
                  f" | {max(run[2] for run in runs) / 1e6:.1f} |")


def http(server: Server, connections: int, seconds: int) -> Rate:
    script = server.folder / f"{server.name}.lua"
    script.write_text(f"""
local requests, last = {{}}, 0
function init()
{server.script()}
end
function request()
    last = last % {ACCOUNTS} + 1
    return requests[last]
end
""")
    url = f"http://127.0.0.1:{server.http}"
    output = on_its_cpu("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url)
    if "Non-2xx" in output:
        sys.exit(f"{server.name} did not allow every request: {output}")
    p50, p99 = (microseconds(re.search(rf"{which}%\s+([\d.]+\w+)", output)[1]) for which in (50, 99))
    rate = Rate(float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]), p50, p99)
    rate.decisions = int(re.search(r"(\d+) requests in", output)[1])
    return rate


def resp(pipeline: int):
    def run(server: Server, connections: int, seconds: int) -> Rate:
        # As many commands as take about so long: a short run tells how many that are.
        short = benchmark(server, connections, pipeline, 1_000)
        rate = benchmark(server, connections, pipeline, max(2_000, int(short.per_second * seconds)))
        rate.decisions += short.decisions
        return rate

    return run


def benchmark(server: Server, connections: int, pipeline: int, commands: int) -> Rate:
    command = ["redis-benchmark", "-p", str(server.resp), "-c", str(connections), "-P", str(pipeline), "-n", str(commands),
               "-r", str(ACCOUNTS), "--csv", "THROTTLE", "key:__rand_int__", str(BURST), str(COUNT), str(PERIOD)]
    lines = [line for line in on_its_cpu(*command).splitlines() if line.startswith('"')]
    told = dict(zip(*csv.reader(lines)))
    rate = Rate(float(told["rps"]), float(told["p50_latency_ms"]) * 1e3, float(told["p99_latency_ms"]) * 1e3)
    rate.decisions = commands
    return rate


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    sys.exit(f"nobody listens at port {port}")


def installed(throttlecrab: pathlib.Path) -> pathlib.Path:
    """throttlecrab-server, built once into target/."""
    binary = throttlecrab / "bin" / "throttlecrab-server"
    if not binary.exists():
        command = ["cargo", "install", "--locked", "--root", throttlecrab, "--version", THROTTLECRAB, "throttlecrab-server"]
        subprocess.run([str(word) for word in command], check=True)
    return binary


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a pattern of the ways to measure")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--sluicegate", type=pathlib.Path, default=TARGET / "release/sluicegate", help="the gateway's release binary")
    options = parser.parse_args()
    for program in ("protoc", "wrk", "redis-benchmark", "taskset"):
        if shutil.which(program) is None:
            parser.error(f"{program} is missing: apt-get install protobuf-compiler wrk redis-tools util-linux")
    if not options.sluicegate.exists():
        parser.error(f"{options.sluicegate} is missing: cargo build --release -p sluicegate-gateway")
    options.throttlecrab = installed(TARGET / "bench-throttlecrab" / THROTTLECRAB)
    return options


WAYS = {"HTTP": http, "RESP": resp(1), "RESP, 16 pipelined": resp(16)}
CONNECTIONS = (1, 64)
median = statistics.median


if __name__ == "__main__":
    main()
