"""The proxies that bench/gateway.py measures, and the upstream behind them. Each has one worker on a CPU of its own."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess

PROXY_CPU, LOAD_CPU = "0", "1"
ANSWER = json.dumps({"predictions": [[0.1, 0.7, 0.2]] * 8, "model": "iris", "version": "1", "text": "x" * 40})


class Entry:
    """A way for clients to reach a proxy, and whether its limit admits them and its responses are streams."""

    def __init__(self, *, http2: bool = False, tls: bool = False, allows: bool = True, streams: bool = False):
        self.http2, self.tls, self.allows, self.streams = http2, tls, allows, streams
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/predict"


class Bench:
    """A folder for files of configuration, the upstream's port, and the binaries: the one that is measured, and the mock
    model's where that is the upstream."""

    def __init__(self, folder: pathlib.Path, binary: pathlib.Path, connections: int, mock_model: pathlib.Path | None = None):
        self.folder, self.binary, self.connections, self.mock_model = folder, binary, connections, mock_model
        self.upstream = free_port()

    def written(self, name: str, text: str) -> pathlib.Path:
        file = self.folder / name
        file.write_text(text)
        return file

    def certificate(self) -> None:
        """A certificate of P-256 for every proxy, with its key in one file, too, as haproxy wants it."""
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                   "-subj", "/CN=localhost", "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem"]
        subprocess.run(command, check=True, capture_output=True)
        self.written("both.pem", (self.folder / "cert.pem").read_text() + (self.folder / "key.pem").read_text())


def nginx_upstream(bench: Bench, answer: str = ANSWER):
    config = bench.written("upstream.conf", NGINX.format(folder=bench.folder, http="", server=f"""
        listen 127.0.0.1:{bench.upstream} backlog=4096;
        location / {{ default_type application/json; return 200 '{answer}'; }}"""))
    return process(LOAD_CPU, ["nginx", "-c", config, "-e", "/dev/null"])


def nginx(bench: Bench, entry: Entry):
    rate, burst = ("1000000r/s", "burst=1000000 nodelay") if entry.allows else ("1r/m", "")
    listen = f"listen 127.0.0.1:{entry.port} backlog=4096{' ssl' * entry.tls}{' http2' * entry.http2};"
    if entry.tls:
        listen += f" ssl_certificate {bench.folder}/cert.pem; ssl_certificate_key {bench.folder}/key.pem;"
    config = bench.written(f"nginx-{entry.port}.conf", NGINX.format(folder=bench.folder, http=f"""
        limit_req_zone $binary_remote_addr zone=clients:10m rate={rate};
        limit_req_status 429;
        limit_req_log_level info;
        upstream model {{ server 127.0.0.1:{bench.upstream}; keepalive {bench.connections}; }}""", server=f"""
        {listen}
        location / {{
            limit_req zone=clients {burst};
            proxy_buffering {"off" if entry.streams else "on"};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://model;
        }}"""))
    return process(PROXY_CPU, ["nginx", "-c", config, "-e", "/dev/null"])


def haproxy(bench: Bench, entry: Entry):
    most = 100_000_000 if entry.allows else 1
    bind = f"bind 127.0.0.1:{entry.port}"
    if entry.tls:
        bind += f" ssl crt {bench.folder}/both.pem alpn {'h2' if entry.http2 else 'http/1.1'}"
    elif entry.http2:
        bind += " proto h2"
    config = bench.written(f"haproxy-{entry.port}.cfg", f"""
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend clients
    {bind}
    stick-table type ip size 100k expire 60s store http_req_rate(60s)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {most} }}
    default_backend model
backend model
    server model 127.0.0.1:{bench.upstream} pool-max-conn {bench.connections}
""")
    return process(PROXY_CPU, ["haproxy", "-f", config, "-db"], stderr=subprocess.DEVNULL)


def sluicegate(bench: Bench, entry: Entry):
    tls = f'tls = {{ certificate = "{bench.folder}/cert.pem", key = "{bench.folder}/key.pem" }}' if entry.tls else ""
    config = bench.written(f"sluicegate-{entry.port}.toml", f"""
[gateway]
listen = "127.0.0.1:{entry.port}"
admin = "127.0.0.1:{free_port()}"
upstream = "http://127.0.0.1:{bench.upstream}"
threads = 1
{tls}

[[route]]
path = "/predict"
limits = ["{'1000000/second' if entry.allows else '1/day'}"]
""")
    log = {"SLUICEGATE_LOG": "error", **os.environ}
    return process(PROXY_CPU, [bench.binary, "serve", "--config", config], stderr=subprocess.DEVNULL, env=log)


PROXIES = {"nginx": nginx, "haproxy": haproxy, "sluicegate": sluicegate}


@contextlib.contextmanager
def process(cpu: str, command, **options):
    with subprocess.Popen(["taskset", "-c", cpu, *map(str, command)], stdout=subprocess.DEVNULL, **options) as server:
        try:
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()


def resident(pid: int) -> int:
    """Bytes that a process and its children keep in memory."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(resident, children(pid)))


def processor_time(pid: int) -> float:
    """Seconds that a process and its children have been running."""
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    nanoseconds = sum(int(thread.read_text().split()[0]) for thread in threads)
    return nanoseconds / 1e9 + sum(map(processor_time, children(pid)))


def children(pid: int):
    return map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;  # nginx removes it when it ends, so it must never be /dev/null
worker_rlimit_nofile 16384;
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
