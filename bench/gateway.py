#!/usr/bin/env python3
"""The gateway beside nginx with limit_req and haproxy with a stick table, in one run.

    cargo build --release -p sluicegate-gateway
    apt-get install nginx-light haproxy wrk nghttp2-client openssl
    python3 bench/gateway.py [--only rates] [--rounds 5] [--seconds 2] [--connections 64]

Every proxy has one worker, pinned to CPU 0, and stands before the same upstream (nginx, 231 bytes of JSON). The
upstream and the load (POST of 1 KB of JSON) are pinned to CPU 1. Three tables:

* rates: requests per second over HTTP/1.1 and HTTP/2, in clear and by TLS, let through and denied;
* latency: what a proxy adds to the median of one connection, which asks again as soon as it is answered;
* streams: the processor time of one server-sent event, with 1,000 clients that get 20 a second each.

Rounds are interleaved: every contender is measured once in each round, and the ratio to nginx is taken within the
round. A shared machine is noisy: look at the medians of the ratios, and at the processor time of a request, not at
requests per second.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import loads
import sse
from proxies import LOAD_CPU, PROXIES, Bench, Entry, nginx_upstream, process, processor_time, resident

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> None:
    options = arguments()
    for program in ("nginx", "haproxy", "wrk", "h2load", "openssl", "taskset"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: apt-get install nginx-light haproxy wrk nghttp2-client openssl util-linux")
    if not options.sluicegate.exists():
        sys.exit(f"{options.sluicegate} is missing: cargo build --release -p sluicegate-gateway")
    for table in options.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(pathlib.Path(folder), options.sluicegate, options.connections)
            bench.certificate()
            TABLES[table](bench, options)


def rates(bench: Bench, options) -> None:
    results = {}
    with nginx_upstream(bench), contextlib.ExitStack() as running:
        contenders = []
        for protocol, http2, tls in PROTOCOLS:
            for path, allows in (("allowed", True), ("denied", False)):
                for name, start in PROXIES.items():
                    entry = Entry(http2=http2, tls=tls, allows=allows)
                    server = running.enter_context(start(bench, entry))
                    loads.wait_until_it_answers(bench, entry)
                    contenders.append((f"{protocol}, {path}", name, entry, server.pid))
        for _ in range(options.rounds):
            for row, name, entry, pid in contenders:
                before = processor_time(pid)
                rate = loads.run(bench, entry, options.connections, options.seconds)
                spent = (processor_time(pid) - before) / (rate.per_second * options.seconds)
                results.setdefault(row, {}).setdefault(name, []).append((rate, spent * 1e6, resident(pid)))
                note(f"{row} {name}: {rate.per_second:.0f} requests/s, {spent * 1e6:.1f} µs")
    print(f"\n{options.connections} connections, {options.rounds} rounds of {options.seconds} s\n")
    print("| path | proxy | requests/s | ratio to nginx (min–max) | processor, µs | ratio | p50, ms | p99, ms | RSS, MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row, proxies in results.items():
        for name, runs in proxies.items():
            per_second = [run[0].per_second for run in runs]
            ratio = ratios(per_second, [run[0].per_second for run in proxies["nginx"]])
            spent = [run[1] for run in runs]
            p50, p99 = (median(getattr(run[0], which) for run in runs) / 1e3 for which in ("p50", "p99"))
            print(f"| {row} | {name} | {median(per_second):,.0f} | {median(ratio):.2f} ({min(ratio):.2f}–{max(ratio):.2f})"
                  f" | {median(spent):.1f} | {median(ratios(spent, [run[1] for run in proxies['nginx']])):.2f}"
                  f" | {p50:.2f} | {p99:.2f} | {max(run[2] for run in runs) / 1e6:.1f} |")


def latency(bench: Bench, options) -> None:
    medians = {}
    with nginx_upstream(bench), contextlib.ExitStack() as running:
        direct = Entry()
        direct.port = bench.upstream
        entries = {"none": direct}
        for name, start in PROXIES.items():
            entries[name] = Entry()
            running.enter_context(start(bench, entries[name]))
        for entry in entries.values():
            loads.wait_until_it_answers(bench, entry)
        for _ in range(options.rounds):
            for name, entry in entries.items():
                p50 = loads.run(bench, entry, 1, options.seconds).p50
                medians.setdefault(name, []).append(p50)
                note(f"one connection, {name}: {p50:.0f} µs")
    print(f"\nOne connection of HTTP/1.1, {options.rounds} rounds of {options.seconds} s\n")
    print("| proxy | p50, µs | added, µs | more than nginx adds, µs (min–max) |")
    print("|---|---|---|---|")
    for name, p50s in medians.items():
        added = [p50 - direct for p50, direct in zip(p50s, medians["none"])]
        more = [p50 - nginx for p50, nginx in zip(p50s, medians["nginx"])]
        print(f"| {name} | {median(p50s):.0f} | {median(added):.0f} | {median(more):.0f} ({min(more):.0f}–{max(more):.0f}) |")


def streams(bench: Bench, options) -> None:
    """The proxies wait for their turn without a client, so they take no time from each other."""
    clients, per_second = 1000, 20
    script, results = pathlib.Path(sse.__file__), {}
    with process(LOAD_CPU, [sys.executable, script, "serve", bench.upstream, per_second]), contextlib.ExitStack() as running:
        contenders = []
        for name, start in PROXIES.items():
            entry = Entry()
            contenders.append((name, entry, running.enter_context(start(bench, entry)).pid))
        for _ in range(options.rounds):
            for name, entry, pid in contenders:
                read = ["taskset", "-c", LOAD_CPU, sys.executable, script, "read", entry.port, clients, options.seconds]
                with subprocess.Popen(map(str, read), stdout=subprocess.PIPE, text=True) as reader:
                    if reader.stdout.readline() != "all\n":
                        sys.exit(f"{name} did not serve {clients} clients")
                    before = processor_time(pid)
                    events = int(reader.stdout.readline())
                    spent = (processor_time(pid) - before) / events * 1e6
                due = clients * per_second * options.seconds
                results.setdefault(name, []).append((spent, events / due, resident(pid)))
                note(f"streams, {name}: {spent:.2f} µs an event, {events} of {due} events")
    print(f"\n{clients} clients, {per_second} events a second each, {options.rounds} rounds of {options.seconds} s\n")
    print("| proxy | processor per event, µs | ratio to nginx (min–max) | events, of those due | RSS, MB |")
    print("|---|---|---|---|---|")
    for name, runs in results.items():
        spent = [run[0] for run in runs]
        ratio = ratios(spent, [run[0] for run in results["nginx"]])
        print(f"| {name} | {median(spent):.2f} | {median(ratio):.2f} ({min(ratio):.2f}–{max(ratio):.2f})"
              f" | {median(run[1] for run in runs):.0%} | {max(run[2] for run in runs) / 1e6:.1f} |")


PROTOCOLS = [
    ("HTTP/1.1", False, False),
    ("HTTP/1.1 by TLS", False, True),
    ("HTTP/2", True, False),
    ("HTTP/2 by TLS", True, True),
]
TABLES = {"rates": rates, "latency": latency, "streams": streams}
median = statistics.median


def ratios(ours, peers) -> list[float]:
    return [one / other for one, other in zip(ours, peers)]


def note(line: str) -> None:
    print(line, file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TABLES), help="the tables to measure, with commas between them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    default = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "sluicegate"
    parser.add_argument("--sluicegate", type=pathlib.Path, default=default, help="the gateway's release binary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
