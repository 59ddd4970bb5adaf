#!/usr/bin/env python3
"""Measures the cost that a rate limit adds to a request of a FastAPI app: Sluicegate's ways in beside slowapi and
fastapi-limiter, in one run.

    pip install maturin && maturin build --release -m crates/sluicegate-python/Cargo.toml
    apt-get install wrk redis-server
    python3 bench/python.py [--rounds 15] [--seconds 1] [--connections 32] [--only REGEX] [--freeze]

Each contender is the same endpoint in an app of its own: uvicorn with one worker, uvloop and httptools, pinned to CPU 0. The
load (wrk, GET, keep-alive) and the Redis that all share are pinned to CPU 1. Rounds are short, many and interleaved: every
contender is measured once in each round, and the bare endpoint before and after it; whoever is not being measured is stopped.
What a contender adds is its time per request less that of the bare endpoint just before and after it, and ratios are taken
within the round. A shared machine is noisy: look at the medians, and at how far the rounds lie apart.

`--freeze` has every app call `gc.freeze()` once it is loaded, as services do that mind their latency: else Python's collector
looks at all of FastAPI again and again while requests wait for Redis.

Peers are installed into virtual environments under target/, from a package index.
"""

import argparse
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import astuple, dataclass

import environments
from environments import ROOT, TARGET

APP_CPU, LOAD_CPU = "0", "1"

# The same framework and server for all; what each needs beside them.
COMMON = ["fastapi==0.165.0", "starlette==1.10.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"]
ENVIRONMENTS = {
    "slowapi": ["slowapi==0.1.10", "limits==5.8.0", "redis==8.1.0"],
    "fastapi-limiter-0.1.6": ["fastapi-limiter==0.1.6", "redis==8.1.0"],
    "fastapi-limiter-0.2.0": ["fastapi-limiter==0.2.0", "pyrate-limiter==4.5.1"],
    "sluicegate": ["redis==8.1.0"],
}


@dataclass(frozen=True)
class Contender:
    """A row of the table. `pair` says which of slowapi's rows it stands beside."""

    name: str
    title: str
    environment: str
    pair: str


@dataclass(frozen=True)
class Measured:
    """Microseconds per request, those of them that the server was busy, and the 99th percentile in milliseconds."""

    spent: float
    busy: float
    p99: float

    def less(self, bare):
        """The cost beyond the endpoint without a limit."""
        return Measured(self.spent - bare.spent, self.busy - bare.busy, self.p99 - bare.p99)


CONTENDERS = [
    Contender("slowapi-memory", "slowapi 0.1.10", "slowapi", "memory"),
    Contender("fastapi-limiter-0.2.0-memory", "fastapi-limiter 0.2.0", "fastapi-limiter-0.2.0", "memory"),
    Contender("dependency-memory", "sluicegate, dependency", "sluicegate", "memory"),
    Contender("decorator-memory", "sluicegate, decorator", "sluicegate", "memory"),
    Contender("middleware-memory", "sluicegate, middleware", "sluicegate", "memory"),
    Contender("empty-dependency", "a dependency that does nothing", "sluicegate", "memory"),
    Contender("slowapi-drop-in-memory", "sluicegate.slowapi", "sluicegate", "memory"),
    Contender("slowapi-redis", "slowapi 0.1.10", "slowapi", "Redis"),
    Contender("fastapi-limiter-0.1.6-redis", "fastapi-limiter 0.1.6", "fastapi-limiter-0.1.6", "Redis"),
    Contender("dependency-redis", "sluicegate, dependency", "sluicegate", "Redis"),
    Contender("decorator-redis", "sluicegate, decorator", "sluicegate", "Redis"),
    Contender("middleware-redis", "sluicegate, middleware", "sluicegate", "Redis"),
    Contender("slowapi-drop-in-redis", "sluicegate.slowapi", "sluicegate", "Redis"),
    Contender("fastapi-limiter-drop-in-redis", "sluicegate.fastapi_limiter", "sluicegate", "Redis"),
    Contender("middleware-memory-denied", "sluicegate, middleware", "sluicegate", "denied"),
]
BARE = Contender("bare", "no limit", "sluicegate", "")


def main() -> int:
    options = arguments()
    for program in ("wrk", "redis-server", "taskset"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: apt-get install wrk redis-server util-linux")
    chosen = [contender for contender in CONTENDERS if re.search(options.only, contender.name)]
    pythons = {name: environment(name, options) for name in {c.environment for c in [BARE, *chosen]}}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        store = running.enter_context(redis())
        servers = {c: running.enter_context(Server(c, pythons[c.environment], store, folder, options)) for c in [BARE, *chosen]}
        report(measure(servers, options), options)
    return 0


def measure(servers, options):
    """Each contender's rounds: what was measured, and what of the bare endpoint around it."""
    results = {contender: [] for contender in servers}
    order = [contender for contender in servers if contender is not BARE]
    for round_ in range(options.rounds):
        # In another order each time, for who comes after whom matters a little.
        random.Random(round_).shuffle(order)
        before = servers[BARE].measure()
        for contender in order:
            measured = servers[contender].measure()
            after = servers[BARE].measure()
            around = Measured(*(statistics.mean(pair) for pair in zip(astuple(before), astuple(after))))
            results[contender].append((measured, around))
            results[BARE].append((after, after))
            before = after
        print(f"round {round_ + 1} of {options.rounds}: bare {before.spent:.1f} µs", file=sys.stderr)
    return results


def report(results, options) -> None:
    added = {contender: [measured.less(bare) for measured, bare in rows] for contender, rows in results.items()}
    slowapi = {contender.pair: rows for contender, rows in added.items() if contender.environment == "slowapi"}
    print(f"{options.connections} connections, {options.rounds} rounds of {options.seconds} s")
    print("| store | contender | requests/s | added, µs (min–max) | ratio to slowapi's (min–max) | added, µs of processor | p99, ms |")
    print("|---|---|---|---|---|---|---|")
    for contender, rows in results.items():
        rate = statistics.median(1e6 / measured.spent for measured, _ in rows)
        p99 = statistics.median(measured.p99 for measured, _ in rows)
        wall = busy = ratio = "–"
        if contender is not BARE:
            wall = spread([more.spent for more in added[contender]], 1)
            busy = f"{statistics.median(more.busy for more in added[contender]):.1f}"
        if contender.pair in slowapi:
            ratio = spread([own.spent / peer.spent for own, peer in zip(added[contender], slowapi[contender.pair])], 2)
        print(f"| {contender.pair or '–'} | {contender.title} | {rate:,.0f} | {wall} | {ratio} | {busy} | {p99:.2f} |")
    for contender, rows in results.items():
        if contender.pair == "denied":
            times = spread([bare.spent / measured.spent for measured, bare in rows], 2)
            print(f"\nDenials per second of {contender.title}, beside the bare endpoint's answers: {times} times")


def spread(values, digits) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


class Server:
    """A contender's app, served, and stopped whenever it is not being measured."""

    def __init__(self, contender, python, store, folder, options):
        self.contender, self.options, self.port = contender, options, free_port()
        self.is_warm = False
        self.log = pathlib.Path(folder) / f"{contender.name}.log"
        self.command = ["taskset", "-c", APP_CPU, python, "-m", "uvicorn", "python_apps:app", "--app-dir", ROOT / "bench"]
        self.command += ["--port", self.port, "--loop", "uvloop", "--http", "httptools", "--workers", 1]
        self.command += ["--no-access-log", "--log-level", "warning"]
        # Whoever waits longer than that would not be decided by Redis, and look faster for it.
        settings = {"CONTENDER": contender.name, "BENCH_REDIS": store, "SLUICEGATE_STORE__TIMEOUT": "1s"}
        settings["BENCH_FREEZE"] = "1" if options.freeze else ""
        self.environment = {**os.environ, **settings, **options.path}

    def __enter__(self):
        with self.log.open("w") as log:
            command = [str(word) for word in self.command]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            self.wait_until_it_answers()
            self.check()
        except BaseException:
            self.__exit__()
            raise
        self.process.send_signal(signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def measure(self):
        """Measures the server once it is warm, as it stays from then on."""
        self.process.send_signal(signal.SIGCONT)
        try:
            if not self.is_warm:
                self.wrk(2)
                self.is_warm = True
            return self.wrk(self.options.seconds)
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def wrk(self, seconds):
        command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{self.options.connections}", f"-d{seconds}s", "--latency", self.url]
        before = self.processor_time()
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        count = int(re.search(r"(\d+) requests in", output)[1])
        # A request that takes longer than wrk's two seconds is slow, and no mistake.
        broken = re.search(r"Socket errors: connect (?!0, read 0, write 0)", output)
        if broken or (int(refused[1]) if refused else 0) != (count if self.denies else 0):
            sys.exit(f"{self.contender.name} did not answer every request with {self.status}:\n{output}{self.last_words()}")
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
        p99 = milliseconds(re.search(r"99%\s+([\d.]+\w+)", output)[1])
        return Measured(1e6 / rate, (self.processor_time() - before) * 1e6 / count, p99)

    def processor_time(self):
        """Seconds that all threads of the server have had so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_until_it_answers(self):
        """The contender that denies spends its one request here."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            if answer(self.url) == self.status:
                return
            time.sleep(0.05)
        sys.exit(f"{self.contender.name} did not answer {self.status}:\n{self.last_words()}")

    def check(self):
        """Checks as far as possible that the endpoint is limited at all: if Redis counts, Redis must have been
        called."""
        if self.contender.pair != "Redis":
            return
        before = calls(self.environment["BENCH_REDIS"])
        if answer(self.url) != self.status or calls(self.environment["BENCH_REDIS"]) <= before:
            sys.exit(f"{self.contender.name} did not ask Redis:\n{self.last_words()}")

    def last_words(self):
        return self.log.read_text()[-4000:]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/limited"

    @property
    def denies(self):
        return self.contender.pair == "denied"

    @property
    def status(self):
        return 429 if self.denies else 200


@contextlib.contextmanager
def redis():
    port = free_port()
    command = ["taskset", "-c", LOAD_CPU, "redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    calls(f"redis://127.0.0.1:{port}")
                    break
                time.sleep(0.05)
            else:
                sys.exit("redis-server did not start")
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()


def calls(store: str) -> int:
    """The number of scripts that Redis has run for its clients."""
    port = int(store.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"INFO commandstats\r\nQUIT\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return sum(int(count) for count in re.findall(r"cmdstat_(?:evalsha|eval|fcall)\w*:calls=(\d+)", text))


def environment(name, options) -> pathlib.Path:
    """The Python of a contender's virtual environment."""
    wheel = options.wheel if name == "sluicegate" else None
    return environments.environment(name, [*COMMON, *ENVIRONMENTS[name]], wheel)


def answer(url: str):
    """The status of an answer, None without one."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def milliseconds(text: str) -> float:
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--freeze", action="store_true", help="have every app call gc.freeze() when it is loaded")
    parser.add_argument("--only", default="", metavar="REGEX", help="the contenders to measure, by their names")
    parser.add_argument(
        "--sluicegate", type=pathlib.Path, metavar="PATH", help="a wheel (default: the newest under target/wheels), or a folder with the package"
    )
    options = parser.parse_args()
    path = options.sluicegate or max((TARGET / "wheels").glob("sluicegate-*.whl"), key=os.path.getmtime, default=None)
    if path is None:
        parser.error("there is no wheel: maturin build --release -m crates/sluicegate-python/Cargo.toml")
    options.wheel = path.resolve() if path.is_file() else None
    options.path = {} if options.wheel else {"PYTHONPATH": str(path.resolve())}
    return options


if __name__ == "__main__":
    sys.exit(main())
