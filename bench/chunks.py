#!/usr/bin/env python3
"""Gateways that spend one quota on one Redis in chunks: their over-admission in minutes of saturation, and the latency they add.

    cargo build --release --workspace --bin sluicegate
    apt-get install redis-server nginx-light wrk
    python3 bench/chunks.py [--gateways 3,10] [--minutes 5]

Wrk asks every gateway as fast as it can for a quota of 2,000 requests a second, all of it on one account. A token bucket may admit
its burst and what comes back until the load ends. What is admitted beyond that is over-admission, and what is missing is quota that
lay idle in chunks. Gateways count what they admit.

The latency is measured apart, with one connection and a limit that is never reached: in chunks, with a call of Redis for each
request, and without a limit. Rounds are interleaved.
"""

import argparse
import contextlib
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import loads
from environments import TARGET
from proxies import Bench, Entry, free_port, nginx_upstream, process
from python import redis

RATE = 2000
POLICY = """
[gateway]
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
upstream = "http://127.0.0.1:{upstream}"
threads = 1

[store]
url = "{url}"
timeout = "1s"
outage = "deny"
{chunks}

[[route]]
path = "/predict"
limits = [{limit}]
"""
CHUNKS = "chunks = { share = 0.1 }"
LIMIT = '{{ name = "shared", quota = "{rate}/second", key = "global" }}'
UNREACHED = LIMIT.format(rate=1_000_000)
LATENCIES = {"no limit": ("", ""), "in chunks": (CHUNKS, UNREACHED), "a call for each": ("", UNREACHED)}
ANYWHERE = "0-1"


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        bench = Bench(pathlib.Path(folder), options.sluicegate, 64)
        running.enter_context(nginx_upstream(bench))
        print("| gateways | seconds | due | admitted | over-admission | of those due | of them by chunks |\n|---|---|---|---|---|---|---|")
        for count in options.gateways:
            with redis() as url:
                saturate(bench, url, count, round(options.minutes * 60))
        with redis() as url:
            latency(bench, url, options.rounds, options.seconds)


def saturate(bench: Bench, url: str, count: int, seconds: int) -> None:
    with contextlib.ExitStack() as running:
        gateways = [running.enter_context(gateway(bench, url, CHUNKS, LIMIT.format(rate=RATE))) for _ in range(count)]
        ports, admins = zip(*gateways)
        before, began = sum(map(admitted, admins)), time.monotonic()
        command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "--timeout=20s"]
        loads_ = [subprocess.Popen([*command, f"http://127.0.0.1:{port}/predict"], stdout=subprocess.DEVNULL) for port in ports]
        if any(load.wait() for load in loads_):
            sys.exit("wrk failed")
        took = time.monotonic() - began
        # The account was full when the first gateway was asked whether it runs.
        due, passed = RATE + RATE * took, sum(map(admitted, admins))
        over = max(passed - due, 0) / due
        chunked = sum(metric(admin, "sluicegate_chunk_decisions_total") for admin in admins)
        print(f"| {count} | {took:.0f} | {due:,.0f} | {passed - before:,.0f} | {over:.1%} | {passed / due:.1%} | {chunked / passed:.1%} |", flush=True)


def latency(bench: Bench, url: str, rounds: int, seconds: int) -> None:
    measured = {name: [] for name in LATENCIES}
    with contextlib.ExitStack() as running:
        ports = {name: running.enter_context(gateway(bench, url, *settings))[0] for name, settings in LATENCIES.items()}
        for _ in range(rounds):
            for name, port in ports.items():
                measured[name].append(loads.wrk(bench, f"http://127.0.0.1:{port}/predict", 1, seconds))
    print("\n| limit | p50, µs | added, µs (min–max) | p99, µs | added, µs (min–max) |\n|---|---|---|---|---|")
    for name, runs in measured.items():
        cells = []
        for which in ("p50", "p99"):
            more = [getattr(own, which) - getattr(bare, which) for own, bare in zip(runs, measured["no limit"])]
            own = statistics.median(getattr(run, which) for run in runs)
            cells += [f"{own:.0f}", f"{statistics.median(more):.0f} ({min(more):.0f}–{max(more):.0f})"]
        print(f"| {name} | {' | '.join(cells)} |")


@contextlib.contextmanager
def gateway(bench: Bench, url: str, chunks: str, limit: str):
    """The ports of a gateway and of its admin."""
    entry, admin = Entry(), free_port()
    text = POLICY.format(port=entry.port, admin=admin, upstream=bench.upstream, url=url, chunks=chunks, limit=limit)
    command = [bench.binary, "serve", "--config", bench.written(f"{entry.port}.toml", text)]
    with process(ANYWHERE, command, stderr=subprocess.DEVNULL):
        loads.wait_until_it_answers(bench, entry)
        yield entry.port, admin


def admitted(admin: int) -> float:
    return metric(admin, 'sluicegate_requests_total', 'decision="allow"')


def metric(admin: int, name: str, label: str = "") -> float:
    """The sum of a metric's samples with this label."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=20) as response:
        text = response.read().decode()
    samples = re.findall(rf"^{name}({{.*}})? ([\d.e+]+)$", text, re.M)
    return sum(float(value) for labels, value in samples if label in labels)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateways", default="3,10", type=lambda text: list(map(int, text.split(","))))
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the latencies")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of a round")
    parser.add_argument("--sluicegate", type=pathlib.Path, default=TARGET / "release/sluicegate", help="the gateway's release binary")
    options = parser.parse_args()
    for program, package in (("nginx", "nginx-light"), ("redis-server", "redis-server"), ("wrk", "wrk")):
        if shutil.which(program) is None:
            parser.error(f"{program} is missing: apt-get install {package}")
    if not options.sluicegate.exists():
        parser.error(f"{options.sluicegate} is missing: cargo build --release --workspace --bin sluicegate")
    return options


if __name__ == "__main__":
    main()
