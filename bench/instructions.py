#!/usr/bin/env python3
"""Instructions that the gateway and nginx execute for an allowed and for a denied request, over HTTP/1.1 and over HTTP/2.

    cargo build --release --workspace --bin sluicegate
    apt-get install valgrind nginx-light
    python3 bench/instructions.py [--cache] [--functions 40] [target/release/sluicegate …]

Runs nginx and each binary in callgrind, beside an upstream and a client in this process. The client sends 1 KB of JSON by
POST, again and again over one connection. Only the requests after the first 1,500 are counted, so nothing of the start is.
Each proxy has one limit of requests. A denial that is logged writes one line. `--cache` counts the misses of small caches,
too.
"""

import argparse
import contextlib
import functools
import pathlib
import re
import socket
import tempfile
import threading
import time

import callgrind
from callgrind import functions as of_functions
from proxies import NGINX, free_port

POLICY = """
[gateway]
listen   = "127.0.0.1:{port}"
admin    = "127.0.0.1:{admin}"
upstream = "http://127.0.0.1:{upstream}"
threads  = 1

[[route]]
path   = "/allowed"
limits = ["1000000/second"]

[[route]]
path   = "/denied"
limits = ["1/day"]
"""

NGINX_HTTP = """
    limit_req_zone $binary_remote_addr zone=allowed:10m rate=1000000r/s;
    limit_req_zone $binary_remote_addr zone=denied:10m rate=1r/m;
    limit_req_status 429;
    limit_req_log_level {level};
    upstream model {{ server 127.0.0.1:{upstream}; keepalive 4; }}"""
NGINX_SERVER = """
        listen 127.0.0.1:{port}{http2};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location /allowed {{ limit_req zone=allowed burst=1000000 nodelay; proxy_pass http://model; }}
        location /denied {{ limit_req zone=denied; proxy_pass http://model; }}"""

BODY = b'{"inputs": [%b]}' % b", ".join([b"[5.1, 3.5, 1.4, 0.2]"] * 46)
BODY += b" " * (1024 - len(BODY))
REQUEST = (b"POST %b HTTP/1.1\r\nHost: models.example\r\nUser-Agent: bench/1\r\nAccept: */*\r\n"
           b"Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + BODY)
ANSWER = (b"HTTP/1.1 200 OK\r\nServer: model\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
          b"Content-Type: application/json\r\nContent-Length: 23\r\n\r\n" b'{"predictions": [0.75]}')
FIELDS = {b"user-agent": b"bench/1", b"accept": b"*/*", b"content-type": b"application/json", b"content-length": b"1024"}
# The preface and empty settings, and a window of the connection that no responses fill.
BEGINNING = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" b"\0\0\0\4\0\0\0\0\0" b"\0\0\4\x08\0\0\0\0\0\x7f\xfe\0\0")
DATA, HEADERS, END_STREAM, END_HEADERS, PADDED_OR_PRIORITY = 0, 1, 1, 4, 0x28
# Of each kind of request: its path, whether a denial is logged, and the status of the response.
KINDS = {"allowed": ("/allowed", False, b"200"), "denied": ("/denied", False, b"429"), "denied, logged": ("/denied", True, b"429")}
COUNTED = 1500


def main() -> None:
    options = arguments()
    columns = [(version, kind) for version in VERSIONS for kind in KINDS if options.only in f"{kind}, HTTP/{version}"]
    measures = {"instructions": ["Ir"]}
    if options.cache:
        measures |= {"instruction misses": ["I1mr"], "data misses": ["D1mr", "D1mw"]}
    print("| of a request | proxy |", " | ".join(f"{kind}, HTTP/{version}" for version, kind in columns), "|")
    print("|---" * (len(columns) + 2) + "|")
    lists = []
    with contextlib.ExitStack() as stack:
        folder = options.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number, binary in enumerate(["nginx", *options.binaries]):
            files = [profile(binary, version, kind, folder, number, options.cache) for version, kind in columns]
            counts = [callgrind.totals(file) for file in files]
            for measure, events in measures.items():
                cells = (sum(count[event] for event in events) / COUNTED for count in counts)
                print(f"| {measure} | {binary} |", " | ".join(f"{cell:,.0f}" for cell in cells), "|", flush=True)
            if options.functions:
                lists += [f"\n{file.stem}\n\n{of_functions(file, options.functions, COUNTED)}" for file in files]
    print(*lists, sep="\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", nargs="*", type=pathlib.Path, default=[pathlib.Path("target/release/sluicegate")])
    parser.add_argument("--only", default="", help="only the columns whose titles contain this")
    parser.add_argument("--cache", action="store_true", help="count the misses of caches of 32 KB, too")
    parser.add_argument("--functions", type=int, default=0, help="list so many functions that execute most")
    parser.add_argument("--keep", type=pathlib.Path, help="keep callgrind's files in this folder")
    return parser.parse_args()


def profile(binary: pathlib.Path | str, version: str, kind: str, folder: pathlib.Path, number: int, caches: bool) -> pathlib.Path:
    """Callgrind's file of the requests that are counted."""
    port, upstream = free_port(), socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=[upstream], daemon=True).start()
    path, is_logged, expected = KINDS[kind]
    out = folder / f"{number}-{pathlib.Path(binary).name}-{version}-{kind.replace(', ', '-')}"
    start = nginx if binary == "nginx" else sluicegate
    command = start(binary, out, port, upstream.getsockname()[1], version, is_logged)
    client = functools.cache(lambda: VERSIONS[version](connect(port)))

    def ask(times: int) -> None:
        client().ask(path.encode(), expected, times)

    log = "info" if is_logged else "error"
    return callgrind.profiled(command, out, ask, COUNTED, COUNTED, caches=caches, log=log)


def sluicegate(binary: pathlib.Path, out: pathlib.Path, port: int, upstream: int, _version: str, _is_logged: bool):
    policy = out.with_name(f"{out.name}.toml")
    policy.write_text(POLICY.format(port=port, admin=free_port(), upstream=upstream))
    return [binary, "serve", "--config", policy]


def nginx(_binary: str, out: pathlib.Path, port: int, upstream: int, version: str, is_logged: bool):
    """One process, as callgrind follows no worker. Its log has errors alone."""
    config = out.with_name(f"{out.name}.conf")
    http = NGINX_HTTP.format(level="error" if is_logged else "info", upstream=upstream)
    server = NGINX_SERVER.format(port=port, http2=" http2" if version == "2" else "")
    config.write_text(NGINX.format(folder=out.parent, http=http, server=server))
    return ["nginx", "-c", config, "-e", out.with_name(f"{out.name}.log"), "-g", "master_process off;"]


def serve(upstream: socket.socket) -> None:
    while True:
        connection, _ = upstream.accept()
        threading.Thread(target=answer, args=[connection], daemon=True).start()


def answer(connection: socket.socket) -> None:
    received = b""
    while piece := connection.recv(65536):
        received += piece
        if is_whole(received):
            received = b""
            connection.sendall(ANSWER)


def connect(port: int) -> socket.socket:
    """Valgrind starts slowly."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Http1:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def ask(self, path: bytes, expected: bytes, times: int) -> None:
        for _ in range(times):
            self.connection.sendall(REQUEST % path)
            received = b""
            while not is_whole(received):
                received += self.connection.recv(65536)
        # The first request of a day is allowed, and the last tells of all others.
        assert received.startswith(b"HTTP/1.1 " + expected), received


def is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    return bool(end) and len(body) == int(re.search(rb"content-length: *(\d+)", head, re.I)[1])


class Http2:
    """Writes frames by hand, and reads no more of a head than its status."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.stream, self.received = connection, -1, b""
        connection.sendall(BEGINNING)

    def ask(self, path: bytes, expected: bytes, times: int) -> None:
        # POST, http, a path and an authority by their places in the static table, and fields by their names.
        head = b"\x83\x86" + b"\x04" + text(path) + b"\x01" + text(b"models.example")
        head += b"".join(b"\0" + text(name) + text(value) for name, value in FIELDS.items())
        for _ in range(times):
            self.stream += 2
            self.connection.sendall(
                frame(HEADERS, END_HEADERS, self.stream, head) + frame(DATA, END_STREAM, self.stream, BODY)
            )
            status = self.response()
        assert status == expected, status

    def response(self) -> bytes:
        """Reads to the end of the response."""
        status = b""
        while True:
            kind, flags, stream, payload = self.read()
            if stream == self.stream and kind == HEADERS:
                assert not flags & PADDED_OR_PRIORITY
                # Behind a change of the table's size. 200 is in the static table; others are written out, or were before.
                status = b"200" if 0x88 in payload[:2] else b"429"
            if stream == self.stream and flags & END_STREAM:
                return status

    def read(self) -> tuple:
        while len(self.received) < 9 or len(self.received) < 9 + int.from_bytes(self.received[:3]):
            self.received += self.connection.recv(65536)
        length = int.from_bytes(self.received[:3])
        kind, flags, stream = self.received[3], self.received[4], int.from_bytes(self.received[5:9])
        payload, self.received = self.received[9 : 9 + length], self.received[9 + length :]
        return kind, flags, stream, payload


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def text(value: bytes) -> bytes:
    """A string of HPACK that is shorter than 127 bytes."""
    return bytes([len(value)]) + value


VERSIONS = {"1.1": Http1, "2": Http2}

if __name__ == "__main__":
    main()
