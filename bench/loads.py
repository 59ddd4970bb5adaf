"""The load that bench/gateway.py sends: wrk over HTTP/1.1, h2load over HTTP/2, each on the CPU of the load."""

import re
import ssl
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

from proxies import LOAD_CPU, Bench, Entry

BODY = '{"inputs": [' + "0.1234567, " * 90 + "0.5]}"


class Rate:
    """The measurements of one run of a load."""

    def __init__(self, per_second: float, p50: float, p99: float, refused: int = 0):
        """The latencies are in microseconds. Responses with an error are `refused`."""
        self.per_second, self.p50, self.p99, self.refused = per_second, p50, p99, refused


def run(bench: Bench, entry: Entry, connections: int, seconds: int) -> Rate:
    load = h2load if entry.http2 else wrk
    return load(bench, entry.url, connections, seconds)


def wrk(bench: Bench, url: str, connections: int, seconds: int, body: str = BODY, authorization: str = "") -> Rate:
    script = bench.written("post.lua", f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = {f"'{authorization}'" if authorization else "nil"}
wrk.body = '{body}'
""")
    output = on_its_cpu("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=20s", "--latency", "-s", script, url)
    p50, p99 = (microseconds(re.search(rf"{which}%\s+([\d.]+\w+)", output)[1]) for which in (50, 99))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return Rate(float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]), p50, p99, int(refused[1]) if refused else 0)


def h2load(bench: Bench, url: str, connections: int, seconds: int) -> Rate:
    """Each connection carries one request at a time, as with HTTP/1.1."""
    body, log = bench.written("body.json", BODY), bench.folder / "h2load.log"
    log.unlink(missing_ok=True)
    on_its_cpu("h2load", "-t1", f"-c{connections}", "-m1", f"-D{seconds}", f"--log-file={log}", "-d", body,
               "-H", "content-type: application/json", url)
    # A line a request: when it began, its status, how long it took, in microseconds.
    times = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
    if not times:
        sys.exit(f"h2load got no answer from {url}")
    quantiles = statistics.quantiles(times, n=100)
    return Rate(len(times) / seconds, quantiles[49], quantiles[98])


def on_its_cpu(*command) -> str:
    return subprocess.run(["taskset", "-c", LOAD_CPU, *command], check=True, capture_output=True, text=True).stdout


def microseconds(text: str) -> float:
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def wait_until_it_answers(bench: Bench, entry: Entry) -> None:
    """Waits until the proxy responds. If nothing is allowed, this spends the one request of the limit."""
    expected = 200 if entry.allows else 429
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if status(bench, entry) == expected:
            return
        time.sleep(0.05)
    sys.exit(f"{entry.url} did not answer {expected} in 20 s")


def status(bench: Bench, entry: Entry) -> int:
    if entry.http2:
        log = bench.folder / "h2load.log"
        log.unlink(missing_ok=True)
        subprocess.run(["h2load", "-n1", "-c1", f"--log-file={log}", entry.url], check=False, capture_output=True)
        lines = log.read_text().splitlines() if log.exists() else []
        return int(lines[0].split()[1]) if lines else 0
    unverified = ssl._create_unverified_context() if entry.tls else None
    try:
        with urllib.request.urlopen(entry.url, timeout=2, context=unverified) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
