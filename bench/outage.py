#!/usr/bin/env python3
"""Latency of the others while one of a cluster's three nodes hangs.

    cargo build --release -p sluicegate-gateway -p sluicegate-test-servers
    apt-get install redis-server
    python3 bench/outage.py [--rounds 7] [--seconds 4] [--program valkey-server]

Sixty callers ask one gateway for what they have spent, so that each decision is a call of Redis and no model takes part.
In each round the cluster is whole for a while, and then one node is stopped (SIGSTOP) for as long. A round's ratio is
that of the latencies of the callers whose accounts are on the other two nodes.
"""

import argparse
import contextlib
import os
import pathlib
import re
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e"))

from crowd import PATH, Crowd  # noqa: E402
from gateway import Gateway  # noqa: E402
from server import until  # noqa: E402
from stores import Stores  # noqa: E402

POLICY = """
[store]
url = "{url}"
keys = "readable"
remember_denials = false

[[route]]
path = "{path}"
limits = [{{ quota = "1/day", key = "header:x-client" }}]
"""
STOPPED = 1


def main() -> None:
    options = arguments()
    os.environ["SLUICEGATE_BIN"] = str(options.sluicegate)
    os.environ["TEST_SERVERS_BIN"] = str(options.test_servers)
    with contextlib.ExitStack() as running:
        folder = pathlib.Path(running.enter_context(tempfile.TemporaryDirectory()))
        # Nobody takes over while a node is stopped.
        cluster = Stores("cluster", f"program={options.program}", "replicas=0", "node_timeout=60000")
        running.callback(cluster.stop)
        policy = POLICY.format(url=cluster.url, path=PATH)
        # Nothing passes that an upstream would have to answer, but for the first request of each caller.
        gateway = Gateway(folder, "http://127.0.0.1:1", policy)
        running.callback(gateway.stop)
        crowd = running.enter_context(Crowd([gateway]))
        crowd.asks_on(2000)
        stopped = set(re.findall(r"caller-\d+", cluster.command("KEYS", "*", server=STOPPED)))
        others = set(crowd.callers) - stopped
        print(f"{len(others)} callers on the other nodes")
        print("| round | p50 before, µs | p99 before, µs | p50 in it, µs | p99 in it, µs | p99 ratio |")
        print("|---|---|---|---|---|---|")
        ratios = []
        for number in range(options.rounds):
            before = latencies(crowd, others, options.seconds)
            cluster.pause(STOPPED)
            within = latencies(crowd, others, options.seconds)
            cluster.resume(STOPPED)
            until(gateway.store_is_up, "the node answers again")
            ratios.append(within[1] / before[1])
            cells = [f"{value * 1e6:.0f}" for value in (*before, *within)]
            print(f"| {number + 1} | {' | '.join(cells)} | {ratios[-1]:.2f} |", flush=True)
        print(f"p99 in the outage to p99 before it, median of the rounds: {statistics.median(ratios):.2f}")


def latencies(crowd: Crowd, callers: set[str], seconds: float) -> tuple[float, float]:
    """Median and 99th percentile of the seconds that these callers wait from now on."""
    first = len(crowd.answers)
    time.sleep(seconds)
    waits = [answer.seconds for answer in crowd.answers[first:] if answer.caller in callers]
    quantiles = statistics.quantiles(waits, n=100)
    return quantiles[49], quantiles[98]


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--program", default="redis-server")
    parser.add_argument("--sluicegate", type=pathlib.Path, default=ROOT / "target/release/sluicegate")
    parser.add_argument("--test-servers", type=pathlib.Path, default=ROOT / "target/release/sluicegate-test-servers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
