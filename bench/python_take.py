#!/usr/bin/env python3
"""Measures `Limiter.take` in memory beside `check` of cpex-rate-limiter, whose engine is in Rust too, in one process.

    pip install maturin && maturin build --release -m crates/sluicegate-python/Cargo.toml
    python3 bench/python_take.py [--rounds 15] [--sluicegate PATH]

One hot key, in a loop. *Three limits* are those of a user, a tenant and a tool, in one call. Both make their keys from the texts of
the request within the loop, and have made their limits before; *charges* are made within it. Rounds are interleaved, and
ratios are taken within a round.
"""

import json
import os
import subprocess

import environments
import python

NEEDS = ["cpex-rate-limiter==0.1.12"]
CONTENDERS = """
import json, sys, timeit
from cpex_rate_limiter.rate_limiter_rust import RateLimiterEngine
from sluicegate import Charge, Limiter, Quota

def cpex(**limits):
    engine = RateLimiterEngine({"algorithm": "token_bucket", **limits})
    return lambda: engine.check("alice", "acme", "search", 1_800_000_000, True, None)

# The most that cpex takes. It is full again before the next round.
limiter, quota, calls, high = Limiter(), Quota.parse("1000000/second"), 100_000, "1000000/s"
peers = {"one": {"by_user": high}, "three": {"by_user": high, "by_tenant": high, "by_tool": {"search": high}}}
named = limiter.limits(user=quota, tenant=quota, tool=quota)
spent = limiter.limits(user="1/day", tenant=quota, tool=quota)
contenders = {
    "cpex, one limit": cpex(**peers["one"]),
    "sluicegate, one limit": lambda: limiter.take("alice", quota),
    "sluicegate, one limit, denied": lambda: limiter.take("bob", "1/day"),
    "sluicegate, one limit, its quota as text": lambda: limiter.take("carol", "1000000/second"),
    "cpex, three limits": cpex(**peers["three"]),
    "sluicegate, three limits": lambda: named.take("alice", "acme", "search"),
    "sluicegate, three limits, denied": lambda: spent.take("bob", "acme", "search"),
    "sluicegate, three limits, as charges": lambda: limiter.take((Charge("user:alice", quota), Charge("tenant:acme", quota), Charge("tool:search", quota))),
}
limiter.take("bob", "1/day")
spent.take("bob", "acme", "search")
rounds = {name: [] for name in contenders}
for _ in range(int(sys.argv[1])):
    for name, contender in contenders.items():
        rounds[name].append(timeit.timeit(contender, number=calls) / calls * 1e6)
        last = contender()
        assert (last[0] if isinstance(last, tuple) else last.allowed) is ("denied" not in name), name
print(json.dumps(rounds))
"""


def main() -> None:
    options = python.arguments()
    interpreter = environments.environment("cpex", NEEDS, options.wheel)
    command = ["taskset", "-c", python.APP_CPU, str(interpreter), "-c", CONTENDERS, str(options.rounds)]
    environment = {**os.environ, **options.path}
    rounds = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout)
    print("| contender | µs (min–max) | ratio to cpex's (min–max) |\n|---|---|---|")
    for name, times in rounds.items():
        of, _, limits = name.partition(", ")
        peer = rounds[f"cpex, {limits.split(',')[0]}"]
        print(f"| {name} | {python.spread(times, 3)} | {python.spread([own / other for own, other in zip(times, peer)], 2)} |")


if __name__ == "__main__":
    main()
