#!/usr/bin/env python3
"""Ten million requests of every kind against one gateway, which must take no more at the end than near the beginning.

    cargo build --release -p sluicegate-gateway
    apt-get install nginx-light wrk nghttp2-client
    python3 bench/soak.py [--requests 10000000] [--slice 10] [--sluicegate target/release/sluicegate]

In each slice, several loads run side by side:

* allowed requests, over persistent connections, over new ones and over HTTP/2;
* denied requests;
* event streams that their clients read and leave;
* requests that their clients give up, over both versions of HTTP.

After each slice the load pauses until nothing runs, and the script reads the gateway's memory, open files and threads. The
exit code is 1 if memory grew by more than a twentieth from the second fifth of the slices to the last. It is 1 if there are more
files or threads than after the first slice, or if anything else went wrong.
"""

import argparse
import contextlib
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e"))

import frames  # noqa: E402
from process import Process  # noqa: E402

POLICY = """
[gateway]
listen   = "127.0.0.1:{port}"
admin    = "127.0.0.1:{admin}"
upstream = "http://127.0.0.1:{upstream}"
log      = "json"

[defaults]
key = "header:x-client"

[[route]]
path   = "/allowed"
limits = ["1000000/s", "1000 concurrent"]

[[route]]
path   = "/denied"
limits = ["1/day"]

[[route]]
path   = "/events/{{*rest}}"
limits = ["1000 concurrent"]
"""

# The one that answers at once is nginx; it asks the other, which knows streams, for the rest.
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 '{answer}'; }}
        location /events/ {{ proxy_pass http://127.0.0.1:{raw}; proxy_buffering off; proxy_http_version 1.1; }}
    }}
}}
"""

# Every request of a key of its own out of a million, so that accounts come and go.
WRK = """
request = function()
    return wrk.format("{method}", nil, {{["x-client"] = tostring(math.random(1000000)), {header}}}, {body})
end
"""


def main() -> int:
    options = arguments()
    for program in ("nginx", "wrk", "h2load"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: apt-get install nginx-light wrk nghttp2-client")
    if not options.sluicegate.exists():
        sys.exit(f"{options.sluicegate} is missing: cargo build --release -p sluicegate-gateway")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        soak = Soak(pathlib.Path(folder), options, running)
        print(f"{'requests':>10}  {'allowed':>10}  {'denied':>10}  {'RSS, KB':>8}  {'files':>5}  {'threads':>7}")
        while soak.requests() < options.requests:
            soak.slice(options.slice)
            soak.wait_until_it_is_quiet()
            soak.sample()
        return soak.judge()


class Soak:
    def __init__(self, folder: pathlib.Path, options, running: contextlib.ExitStack):
        self.folder, self.samples, self.wrong = folder, [], []
        ports = {name: free_port() for name in ("port", "admin", "upstream", "raw")}
        self.port, self.admin = ports["port"], ports["admin"]
        raw = [sys.executable, ROOT / "e2e/raw_server.py", str(ports["raw"])]
        nginx = self.written("nginx.conf", NGINX, folder=folder, port=ports["upstream"], raw=ports["raw"], answer="x" * 200)
        policy = self.written("policy.toml", POLICY, **ports)
        for command in (raw, ["nginx", "-c", nginx, "-e", "/dev/null"]):
            running.enter_context(process(command))
        self.process = running.enter_context(process([options.sluicegate, "--config", policy], SLUICEGATE_LOG="error"))
        self.taken = Process(self)
        wait_until(self.is_there, "the gateway and its upstreams answer")

    def written(self, name: str, text: str, **values) -> pathlib.Path:
        file = self.folder / name
        file.write_text(text.format(**values))
        return file

    def is_there(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/events/ok", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def address(self):
        return "127.0.0.1", self.port

    def slice(self, seconds: int) -> None:
        """Runs everything side by side."""
        url = f"http://127.0.0.1:{self.port}"
        stays = self.written("stays.lua", WRK, method="POST", header="", body="string.rep('x', 1000)")
        new = self.written("new.lua", WRK, method="GET", header='["connection"] = "close"', body="nil")
        same = self.written("same.lua", "wrk.headers['x-client'] = 'same'")
        loads = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for command in (
                ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", stays, f"{url}/allowed"],
                ["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", new, f"{url}/allowed"],
                ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", same, f"{url}/denied"],
                ["h2load", "-t1", "-c4", "-m10", f"-D{seconds}", "-H", "x-client: h2", f"{url}/allowed"],
            )
        ]
        ended = threading.Event()
        clients = [threading.Thread(target=self.until, args=(ended, act)) for act in (read_events, give_up, give_up_streams) * 2]
        for client in clients:
            client.start()
        for load in loads:
            printed = load.communicate(timeout=seconds + 60)[0]
            # Answers other than 2xx and 3xx are the denials, where there should be some.
            if load.returncode or (errors := re.search(r"Socket errors: (.*)|, ([1-9]\d*) errored", printed)):
                self.wrong.append(f"{load.args[0]} {load.args[-1]}: {errors[0] if not load.returncode else printed}")
        ended.set()
        for client in clients:
            client.join()

    def until(self, ended: threading.Event, act) -> None:
        while not ended.is_set():
            try:
                act(self)
            except OSError as error:
                self.wrong.append(f"{act.__name__}: {error!r}")

    def state(self) -> dict | None:
        """The metrics without their labels' braces: the sum of each name."""
        try:
            text = urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10).read().decode()
        except OSError:
            return None
        sums = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name = series.split("{")[0]
                sums[name] = sums.get(name, 0) + float(value)
                if decision := re.search(r'decision="(\w+)"', series):
                    key = f"{name} {decision[1]}"
                    sums[key] = sums.get(key, 0) + float(value)
        return sums

    def requests(self) -> int:
        return int(self.state()["sluicegate_requests_total"])

    def wait_until_it_is_quiet(self) -> None:
        names = "sluicegate_connections", "sluicegate_in_flight_requests", "sluicegate_upstream_in_flight"
        wait_until(lambda: not any(self.state()[name] for name in names), "nothing runs any more")
        least = self.samples[0]["files"] if self.samples else 0
        # Connections to the upstream that are idle have four seconds.
        wait_until(lambda: least and self.taken.files() <= least, "", within=6 if not least else 30, fails=False)

    def sample(self) -> None:
        # Before the gateway is asked for anything: what it answers takes a file, too.
        sample = {"rss": self.taken.rss() // 1024, "files": self.taken.files(), "threads": self.taken.threads()}
        self.samples.append(sample)
        state = self.state()
        allowed, denied = (int(state[f"sluicegate_requests_total {name}"]) for name in ("allow", "deny"))
        print(f"{int(state['sluicegate_requests_total']):>10}  {allowed:>10}  {denied:>10}  {sample['rss']:>8}  {sample['files']:>5}  {sample['threads']:>7}", flush=True)

    def judge(self) -> int:
        """Says what is wrong, and gives the exit code."""
        fifth = max(1, len(self.samples) // 5)
        most = lambda samples: max(sample["rss"] for sample in samples)  # noqa: E731
        before, after = most(self.samples[: 2 * fifth]), most(self.samples[-fifth:])
        if after > before * 1.05 + 1024:
            self.wrong.append(f"memory grew from {before} KB to {after} KB")
        for name in ("files", "threads"):
            if self.samples[-1][name] > self.samples[0][name]:
                self.wrong.append(f"{name}: {self.samples[0][name]} after the first slice, {self.samples[-1][name]} after the last")
        for wrong in self.wrong:
            print(f"WRONG: {wrong}")
        print("flat" if not self.wrong else f"{len(self.wrong)} things are wrong")
        return 1 if self.wrong else 0


def read_events(soak: Soak) -> None:
    """Reads some events of a stream, and leaves."""
    with socket.create_connection(soak.address(), timeout=30) as stream:
        stream.sendall(b"GET /events/stream HTTP/1.1\r\nhost: a\r\nx-client: events\r\n\r\n")
        for _ in range(random.randint(1, 20)):
            if not stream.recv(4096):
                raise ConnectionError("the stream ended")


def give_up(soak: Soak) -> None:
    """Asks for what never comes, and leaves."""
    with socket.create_connection(soak.address(), timeout=30) as stream:
        stream.sendall(b"GET /events/hang HTTP/1.1\r\nhost: a\r\nx-client: gone\r\n\r\n")
        time.sleep(random.random() / 50)


def give_up_streams(soak: Soak) -> None:
    """The same by HTTP/2, many times on a connection, which the gateway may end for that."""
    with frames.connect(soak) as stream, contextlib.suppress(ConnectionError):
        for number in range(1, 60, 2):
            stream.sendall(frames.request(number, "/events/hang", fields=frames.field("x-client", "reset")))
            time.sleep(random.random() / 100)
            stream.sendall(frames.reset(number))


@contextlib.contextmanager
def process(command, **environment):
    started = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)


def wait_until(condition, what: str, within: float = 30, fails: bool = True) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.2)
    if fails:
        sys.exit(f"not within {within} s: {what}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000_000, help="how many, in all")
    parser.add_argument("--slice", type=int, default=10, help="seconds from one look to the next")
    parser.add_argument("--sluicegate", type=pathlib.Path, default=ROOT / "target/release/sluicegate", help="the binary")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
