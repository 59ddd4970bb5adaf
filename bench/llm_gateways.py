#!/usr/bin/env python3
"""Requests per second with a limited key: the gateway beside LiteLLM's proxy.

    cargo build --release --workspace --bin sluicegate
    apt-get install nginx-light wrk
    python3 bench/llm_gateways.py [--rounds 5] [--seconds 3] [--connections 32]

Each has one worker, pinned to CPU 0, and the same upstream: nginx, which answers every chat with the same completion and its
usage. The upstream and the load (wrk, chats of 1 KB without a stream) are pinned to CPU 1. The key has a limit of requests and
one of tokens, and neither is ever reached. LiteLLM is installed from PyPI into a virtual environment under target/.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import chats
import loads
from environments import TARGET
from litellm_proxy import LIMITED, NEEDS, UNLIMITED, authorized, litellm, wait_until_idle
from proxies import PROXY_CPU, Bench, nginx_upstream, processor_time, resident

RPM, TPM = 1_000_000_000, 1_000_000_000
COMPLETION = json.dumps({
    "id": "chatcmpl-0123456789",
    "object": "chat.completion",
    "created": 1760000000,
    "model": "mock-model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Ten words that a model could say. " * 6}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 230, "completion_tokens": 48, "total_tokens": 278},
})
ROUTE = f"""
meter  = "openai"
limits = [
  {{ name = "rpm", quota = "{RPM}/minute", key = "api_key" }},
  {{ name = "tpm", quota = "{TPM} tokens/minute", key = "api_key" }},
]

[identity]
api_keys = "keys.toml"
"""


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        bench = Bench(pathlib.Path(folder), options.sluicegate, options.connections)
        running.enter_context(nginx_upstream(bench, COMPLETION))
        command = [bench.binary, "key", "new", "--tenant", "bench", "--file", bench.folder / "keys.toml"]
        key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
        port, gateway = chats.gateway(bench, ROUTE)
        gateway = running.enter_context(gateway)
        chats.wait_until_it_answers(port, authorized(key))
        [(peer, pid)] = running.enter_context(litellm(bench, PROXY_CPU, RPM, TPM))
        contenders = {
            "sluicegate, limited key": (port, gateway.pid, key),
            "LiteLLM, limited key": (peer, pid, LIMITED),
            "LiteLLM, unlimited key": (peer, pid, UNLIMITED),
        }
        report(measure(bench, contenders, options), options)


def measure(bench: Bench, contenders: dict, options) -> dict:
    body, results = chats.chat(streams=False).split(b"\r\n\r\n", 1)[1].decode(), {}
    for _ in range(options.rounds):
        for name, (port, pid, key) in contenders.items():
            url, before = f"http://127.0.0.1:{port}{chats.PATH}", processor_time(pid)
            rate = loads.wrk(bench, url, options.connections, options.seconds, body, f"Bearer {key}")
            # Some of LiteLLM's work comes after its responses.
            wait_until_idle(pid)
            if rate.refused:
                sys.exit(f"{name} refused {rate.refused} requests")
            spent = (processor_time(pid) - before) / (rate.per_second * options.seconds) * 1e6
            results.setdefault(name, []).append((rate, spent, resident(pid)))
            print(f"{name}: {rate.per_second:.0f} requests/s, {spent:.0f} µs", file=sys.stderr)
    return results


def report(results: dict, options) -> None:
    median, peers = statistics.median, results["LiteLLM, limited key"]
    print(f"\n{NEEDS[0]}, {options.connections} connections, {options.rounds} rounds of {options.seconds} s\n")
    print("| | requests/s | times LiteLLM's (min–max) | processor, µs | p50, ms | p99, ms | RSS, MB |")
    print("|---|---|---|---|---|---|---|")
    for name, runs in results.items():
        times = [own[0].per_second / peer[0].per_second for own, peer in zip(runs, peers)]
        p50, p99 = (median(getattr(run[0], which) for run in runs) / 1e3 for which in ("p50", "p99"))
        print(f"| {name} | {median(run[0].per_second for run in runs):,.0f} | {median(times):.1f} ({min(times):.1f}–{max(times):.1f})"
              f" | {median(run[1] for run in runs):,.0f} | {p50:.2f} | {p99:.2f} | {max(run[2] for run in runs) / 1e6:.0f} |")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--sluicegate", type=pathlib.Path, default=TARGET / "release/sluicegate", help="the gateway's release binary")
    options = parser.parse_args()
    for program in ("nginx", "wrk", "taskset"):
        if shutil.which(program) is None:
            parser.error(f"{program} is missing: apt-get install nginx-light wrk util-linux")
    if not options.sluicegate.exists():
        parser.error(f"{options.sluicegate} is missing: cargo build --release --workspace --bin sluicegate")
    return options


if __name__ == "__main__":
    main()
