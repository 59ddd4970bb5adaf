#!/usr/bin/env python3
"""Over-admission of a token limit against the latency that it adds, with one, three and ten gateways on one Redis.

    cargo build --release --workspace --bin sluicegate --bin mock-model
    apt-get install redis-server
    python3 bench/over_admission.py [--gateways 1,3,10] [--only sluicegate]

Forty callers of one tenant share a quota of 200,000 tokens. Each sends a chat, again as soon as it has its response, and after a
denial in 20 ms. The mock model takes 100 ms for a response, and its books tell how many tokens it produced. Requests reserve
what they use (*right*), four times as much (*too high*), or half (*too low*: they name no maximum, at least until the gateway has
learned how long responses are). *Too low, streamed* is the same with streams. What was used beyond the quota is over-admission; a negative number is quota that nobody could use.

The latency that the limit adds is measured apart, on a limit that is never reached beside no limit, with callers that pause.
LiteLLM's proxy is installed from PyPI into a virtual environment under target/.
"""

import argparse
import asyncio
import contextlib
import pathlib
import statistics
import sys
import tempfile
import time

import chats
from chats import Client, chat
from environments import parsed
from litellm_proxy import LIMITED, UNLIMITED, UNREACHED, authorized, litellm
from proxies import Bench
from python import redis

QUOTA, LARGE = 200_000, 1_000_000_000
LIMIT = """
meter  = "openai"
limits = [{{ name = "tpm", quota = "{quota} tokens/day", key = "header:authorization", reserve = "{reserve}" }}]
"""
STORE = '\n[store]\nurl = "{url}"\ntimeout = "1s"\n'
ANYWHERE = "0-1"
# Callers, and seconds that they wait after a denial, and the most until the first one.
CALLERS, RETRY, MOST = 40, 0.02, 60


def main() -> None:
    options = arguments()
    print("| | gateways |", " | ".join(KINDS), "| p50, ms | p99, ms | p99 without the limit, ms | added p99, ms (min–max) |")
    print("|---" * (len(KINDS) + 6) + "|")
    for contender, of in CONTENDERS.items():
        if options.only not in contender:
            continue
        for count in options.gateways:
            with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
                bench = Bench(pathlib.Path(folder), options.sluicegate, 64, options.mock_model)
                running.enter_context(chats.mock_model(bench, ANYWHERE))
                url = running.enter_context(redis())
                over, (*medians, more) = of(bench, url, contender.rpartition(" ")[2], count, options)
                cells = [f"{beyond:+.1f} %" for beyond in over] + [f"{value:.2f}" for value in medians]
                cells.append(f"{statistics.median(more):.2f} ({min(more):.2f}–{max(more):.2f})")
                print(f"| {contender} | {count} | {' | '.join(cells)} |", flush=True)


def sluicegate(bench: Bench, url: str, reserve: str, count: int, options):
    store = STORE.format(url=url)
    with gateways(bench, LIMIT.format(quota=QUOTA, reserve=reserve) + store, count) as ports:
        over = [over_admission(bench, ports, kind, options.seconds) for kind in KINDS]
    limited = LIMIT.format(quota=LARGE, reserve=reserve) + store
    with gateways(bench, limited, count) as ports, gateways(bench, "limits = []", count) as unlimited:
        return over, added(bench, [(LIMITED, ports), (UNLIMITED, unlimited)], options.rounds, PAUSE)


def lite(bench: Bench, url: str, _: str, count: int, options):
    with litellm(bench, ANYWHERE, LARGE, QUOTA, url, count) as started:
        ports = [port for port, _ in started]
        over = [over_admission(bench, ports, kind, options.seconds) for kind in KINDS]
        return over, added(bench, [(UNREACHED, ports), (UNLIMITED, ports)], options.rounds, LITELLM_PAUSE)


@contextlib.contextmanager
def gateways(bench: Bench, route: str, count: int):
    """The ports of some gateways."""
    with contextlib.ExitStack() as running:
        started = [chats.gateway(bench, route, cpus=ANYWHERE) for _ in range(count)]
        for _, gateway in started:
            running.enter_context(gateway)
        for port, _ in started:
            chats.wait_until_it_answers(port, authorized(UNLIMITED))
        yield [port for port, _ in started]


def over_admission(bench: Bench, ports: list[int], kind: str, seconds: float) -> float:
    """The tokens that were used beyond the quota, in per cent of it."""
    settings, members = KINDS[kind]
    request = chat(fields=authorized(f"{LIMITED}-{kind.replace(' ', '-').replace(',', '')}"), **members)
    chats.set_model(bench, **settings)
    chats.books(bench)
    responses = asyncio.run(crowd(ports, request, CALLERS, MOST, 0, seconds))
    used = chats.books(bench)
    statuses = {response.status for response in responses}
    if used["running"] or not statuses >= {200, 429}:
        sys.exit(f"{kind}: the statuses are {statuses}, and the model's books {used}")
    beyond = used["input_tokens"] + used["output_tokens"] - QUOTA
    note(f"{kind}, {len(ports)} gateways: {used['complete']} of {len(responses)} requests passed, {beyond:+} tokens, {statuses}")
    return beyond / QUOTA * 100


def added(bench: Bench, cases: list[tuple[str, list[int]]], rounds: int, pause: float):
    """The median p50 and p99 in milliseconds, the p99 without the limit, and the p99 that the limit adds in each round. The
    cases are the key and the ports with the limit, and those without."""
    chats.set_model(bench, **QUICK)
    quantiles = ([], [])
    for _ in range(rounds):
        for (key, ports), values in zip(cases, quantiles):
            request = chat(streams=False, fields=authorized(key))
            responses = asyncio.run(crowd(ports, request, 10, MEASURED * pause, pause))
            if any(response.status != 200 for response in responses):
                sys.exit(f"a limit that is never reached was answered {responses}")
            spread = statistics.quantiles((response.whole * 1e3 for response in responses), n=100)
            values.append((spread[49], spread[98]))
            note(f"{key}, {len(ports)} gateways: p99 {spread[98]:.2f} ms of {len(responses)} requests")
    (p50, p99), (_, without) = (zip(*values) for values in quantiles)
    more = [own - other for own, other in zip(p99, without)]
    return statistics.median(p50), statistics.median(p99), statistics.median(without), more


async def crowd(ports: list[int], request: bytes, callers: int, seconds: float, pause: float, more: float = 0) -> list[chats.Response]:
    """Sends a request for some seconds, or until so many `more` after the first denial, each caller by one of the gateways.
    Returns when all responses have come."""
    end, responses = time.monotonic() + seconds, []

    async def caller(number: int) -> None:
        client = await Client.connect(ports[number % len(ports)])
        # Not all at the same moment.
        await asyncio.sleep(pause * number / callers)
        nonlocal end
        while time.monotonic() < end:
            responses.append(await client.ask(request))
            is_denied = responses[-1].status != 200
            if is_denied:
                end = min(end, time.monotonic() + more)
            await asyncio.sleep(RETRY if is_denied else pause)
        client.close()

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return responses


def note(line: str) -> None:
    print(line, file=sys.stderr)


# Ten or twenty chunks of a response, in 100 ms, and a response at once.
RIGHT = {"output-tokens": 1000, "chunk-tokens": 100, "pause-ms": 10}
LONG = {"output-tokens": 2000, "chunk-tokens": 100, "pause-ms": 5}
QUICK = {"output-tokens": 20, "chunk-tokens": 20, "pause-ms": 0}
KINDS = {
    "right": (RIGHT, {"streams": False, "max_tokens": 1000}),
    "too high": (RIGHT, {"streams": False, "max_tokens": 4000}),
    "too low": (LONG, {"streams": False, "max_tokens": None}),
    "too low, streamed": (LONG, {"streams": True, "max_tokens": None}),
}
CONTENDERS = {
    "sluicegate, full": sluicegate,
    "sluicegate, input": sluicegate,
    "sluicegate, off": sluicegate,
    "LiteLLM": lite,
}
# Seconds between two requests of a caller whose latency is measured, and so many of them in a round.
PAUSE, LITELLM_PAUSE, MEASURED = 0.02, 0.2, 60


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateways", default="1,3,10", type=lambda text: list(map(int, text.split(","))))
    parser.add_argument("--only", default="", help="the contenders with this in their names")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the latencies")
    parser.add_argument("--seconds", type=float, default=1.5, help="seconds after the first denial")
    return parsed(parser, "redis-server", "redis-server")


if __name__ == "__main__":
    main()
