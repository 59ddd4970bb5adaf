#!/usr/bin/env python3
"""The gateway beside nginx with limit_req and haproxy with a stick table, in one run.

    cargo build --release -p sluicegate-gateway
    apt-get install nginx-light haproxy wrk
    python3 bench/gateway.py [--rounds 5] [--seconds 4] [--connections 64]

Every proxy has one worker, pinned to CPU 0, and stands before the same upstream (nginx, 231 bytes of JSON). The
upstream and the load (wrk: POST of 1 KB of JSON, HTTP/1.1, keep-alive) are pinned to CPU 1. Rounds are
interleaved: every contender is measured once in each round, and the ratio to nginx is taken within the round.
A shared machine is noisy: look at the medians of the ratios, not at requests per second.
"""

import argparse
import contextlib
import json
import os
import pathlib
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

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROXY_CPU, LOAD_CPU = "0", "1"
ANSWER = json.dumps({"predictions": [[0.1, 0.7, 0.2]] * 8, "model": "iris", "version": "1", "text": "x" * 40})


def main() -> int:
    options = arguments()
    for program in ("nginx", "haproxy", "wrk", "taskset"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: apt-get install nginx-light haproxy wrk util-linux")
    if not options.sluicegate.exists():
        sys.exit(f"{options.sluicegate} is missing: cargo build --release -p sluicegate-gateway")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        folder = pathlib.Path(folder)
        (folder / "post.lua").write_text(POST)
        upstream = free_port()
        running.enter_context(nginx_upstream(folder, upstream))
        contenders = {}
        for path in ("allowed", "denied"):
            for name, start in STARTERS.items():
                port = free_port()
                server = running.enter_context(start(folder, path, port, upstream, options))
                wait_until_it_answers(port, 200 if path == "allowed" else 429)
                contenders[path, name] = (port, server)
        report(measure(contenders, folder, options), options)
    return 0


def measure(contenders, folder, options):
    results = {}
    for round_ in range(options.rounds):
        for (path, name), (port, server) in contenders.items():
            rate, latency = wrk(folder, port, options)
            results.setdefault((path, name), []).append((rate, latency, resident(server.pid)))
            print(f"round {round_ + 1} {path:8} {name:11} {rate:9.0f} requests/s", file=sys.stderr)
    return results


def report(results, options) -> None:
    print(f"{options.connections} connections, {options.rounds} rounds of {options.seconds} s")
    print("| path | proxy | requests/s | ratio to nginx (min–max) | p50 | p99 | RSS after load |")
    print("|---|---|---|---|---|---|---|")
    for (path, name), rows in results.items():
        nginx = results[path, "nginx"]
        ratios = [row[0] / peer[0] for row, peer in zip(rows, nginx)]
        rate = statistics.median(row[0] for row in rows)
        p50, p99 = (statistics.median(row[1][i] for row in rows) for i in (0, 1))
        memory = max(row[2] for row in rows) / 1e6
        print(
            f"| {path} | {name} | {rate:,.0f} | {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
            f" | {p50:.2f} ms | {p99:.2f} ms | {memory:.1f} MB |"
        )


def wrk(folder, port, options):
    """Requests per second, and (p50, p99) in milliseconds."""
    command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency",
               "-s", folder / "post.lua", f"http://127.0.0.1:{port}/predict"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    percentile = {which: milliseconds(re.search(rf"{which}%\s+([\d.]+\w+)", output)[1]) for which in (50, 99)}
    return rate, (percentile[50], percentile[99])


def milliseconds(text: str) -> float:
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def resident(pid: int) -> int:
    """Bytes that a process and its children keep in memory."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident(int(child)) for child in children)


@contextlib.contextmanager
def process(cpu: str, command, **options):
    with subprocess.Popen(["taskset", "-c", cpu, *map(str, command)], stdout=subprocess.DEVNULL, **options) as server:
        try:
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=40)


def nginx_upstream(folder, port):
    config = folder / "upstream.conf"
    config.write_text(NGINX.format(folder=folder, http="", server=f"""
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ default_type application/json; return 200 '{ANSWER}'; }}"""))
    return process(LOAD_CPU, ["nginx", "-c", config, "-e", "/dev/null"])


def nginx(folder, path, port, upstream, options):
    rate, burst = ("1000000r/s", "burst=1000000 nodelay") if path == "allowed" else ("1r/m", "")
    config = folder / f"nginx-{path}.conf"
    config.write_text(NGINX.format(folder=folder, http=f"""
        limit_req_zone $binary_remote_addr zone=clients:10m rate={rate};
        limit_req_status 429;
        limit_req_log_level info;
        upstream model {{ server 127.0.0.1:{upstream}; keepalive {options.connections}; }}""", server=f"""
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            limit_req zone=clients {burst};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://model;
        }}"""))
    return process(PROXY_CPU, ["nginx", "-c", config, "-e", "/dev/null"])


def haproxy(folder, path, port, upstream, options):
    most = 100_000_000 if path == "allowed" else 1
    config = folder / f"haproxy-{path}.cfg"
    config.write_text(f"""
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend clients
    bind 127.0.0.1:{port}
    stick-table type ip size 100k expire 60s store http_req_rate(60s)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {most} }}
    default_backend model
backend model
    server model 127.0.0.1:{upstream} pool-max-conn {options.connections}
""")
    return process(PROXY_CPU, ["haproxy", "-f", config, "-db"], stderr=subprocess.DEVNULL)


def sluicegate(folder, path, port, upstream, options):
    quota = "1000000/second" if path == "allowed" else "1/day"
    config = folder / f"sluicegate-{path}.toml"
    config.write_text(f"""
[gateway]
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{free_port()}"
upstream = "http://127.0.0.1:{upstream}"
threads = 1

[[route]]
path = "/predict"
methods = ["POST"]
limits = ["{quota}"]
""")
    log = {"SLUICEGATE_LOG": "error", **os.environ}
    return process(PROXY_CPU, [options.sluicegate, "serve", "--config", config], stderr=subprocess.DEVNULL, env=log)


STARTERS = {"nginx": nginx, "haproxy": haproxy, "sluicegate": sluicegate}

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;  # nginx removes it when it ends, so it must never be /dev/null
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    {http}
    server {{ {server} }}
}}
"""

POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"inputs": [' .. string.rep("0.1234567, ", 90) .. '0.5]}'
"""


def wait_until_it_answers(port: int, status: int) -> None:
    """The denied path spends its one request here."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", data=b'{"inputs": []}', method="POST")
            with urllib.request.urlopen(request, timeout=2) as answer:
                seen = answer.status
        except urllib.error.HTTPError as error:
            seen = error.code
        except OSError:
            seen = None
            time.sleep(0.05)
        if seen == status:
            return
    sys.exit(f"the server on port {port} did not answer {status} in 20 s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    default = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "sluicegate"
    parser.add_argument("--sluicegate", type=pathlib.Path, default=default, help="the gateway's release binary")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
