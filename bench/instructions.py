#!/usr/bin/env python3
"""Instructions that the gateway executes for an allowed and for a denied request, over HTTP/1.1 and over HTTP/2.

    cargo build --release --workspace --bin sluicegate
    apt-get install valgrind
    python3 bench/instructions.py [--functions 40] [target/release/sluicegate …]

Runs each binary in callgrind, beside an upstream and a client in this process. The client sends a small JSON body by POST,
again and again over one connection. Only the requests after the first 300 are counted, so nothing of the start is.
"""

import argparse
import collections
import contextlib
import functools
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

from proxies import free_port

POLICY = """
[gateway]
listen   = "127.0.0.1:{port}"
admin    = "127.0.0.1:{admin}"
upstream = "http://127.0.0.1:{upstream}"
threads  = 1

[[route]]
path   = "/allowed"
limits = ["1000000/minute", "100 concurrent"]

[[route]]
path   = "/denied"
limits = ["1/day"]
"""

REQUEST = (b"POST %b HTTP/1.1\r\nHost: models.example\r\nUser-Agent: bench/1\r\nAccept: */*\r\n"
           b"Content-Type: application/json\r\nContent-Length: 27\r\n\r\n" b'{"inputs": [0.1, 0.2, 0.3]}')
ANSWER = (b"HTTP/1.1 200 OK\r\nServer: model\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
          b"Content-Type: application/json\r\nContent-Length: 23\r\n\r\n" b'{"predictions": [0.75]}')
FIELDS = {b"user-agent": b"bench/1", b"accept": b"*/*", b"content-type": b"application/json", b"content-length": b"27"}
BODY = b'{"inputs": [0.1, 0.2, 0.3]}'
# The preface and empty settings, and a window of the connection that no responses fill.
BEGINNING = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" b"\0\0\0\4\0\0\0\0\0" b"\0\0\4\x08\0\0\0\0\0\x7f\xfe\0\0")
DATA, HEADERS, END_STREAM, END_HEADERS = 0, 1, 1, 4
EXPECTED = {"allowed": b"200", "denied": b"429"}
WARM_UP, COUNTED = 300, 2000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binaries", nargs="*", type=pathlib.Path, default=[pathlib.Path("target/release/sluicegate")])
    arguments.add_argument("--functions", type=int, default=0, help="list so many functions that execute most")
    arguments.add_argument("--keep", type=pathlib.Path, help="keep callgrind's files in this folder")
    options = arguments.parse_args()
    rows = [(version, kind) for version in VERSIONS for kind in EXPECTED]
    print("| binary |", " | ".join(f"{kind}, HTTP/{version}" for version, kind in rows), "|")
    print("|---" * (len(rows) + 1) + "|")
    lists = []
    with contextlib.ExitStack() as stack:
        folder = options.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for binary in options.binaries:
            profiles = [profile(binary, version, kind, folder) for version, kind in rows]
            print(f"| {binary} |", " | ".join(f"{total(file) / COUNTED:,.0f}" for file in profiles), "|", flush=True)
            lists += [f"\n{file.stem}\n\n{functions(file, options.functions)}" for file in profiles if options.functions]
    print(*lists, sep="\n")


def profile(binary: pathlib.Path, version: str, kind: str, folder: pathlib.Path) -> pathlib.Path:
    """Callgrind's file of the requests that are counted."""
    port, upstream = free_port(), socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=[upstream], daemon=True).start()
    policy, out = folder / "policy.toml", folder / f"{binary.name}-{version}-{kind}"
    policy.write_text(POLICY.format(port=port, admin=free_port(), upstream=upstream.getsockname()[1]))
    client = functools.cache(lambda: VERSIONS[version](connect(port)))
    return profiled(binary, policy, out, lambda times: client().ask(kind, times), WARM_UP, COUNTED)


def profiled(binary: pathlib.Path, policy: pathlib.Path, out: pathlib.Path, ask, warm_up: int, counted: int) -> pathlib.Path:
    """Callgrind's file of a gateway while `ask` sends so many requests, after some to warm up."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", binary, "serve", "--config", policy]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as gateway:
        try:
            ask(warm_up)
            control("--zero", gateway.pid)
            ask(counted)
            control("--dump", gateway.pid)
        finally:
            gateway.kill()
    return out.with_name(f"{out.name}.1")


def control(order: str, pid: int) -> None:
    subprocess.run(["callgrind_control", order, str(pid)], check=True, capture_output=True)


def serve(upstream: socket.socket) -> None:
    while True:
        connection, _ = upstream.accept()
        threading.Thread(target=answer, args=[connection], daemon=True).start()


def answer(connection: socket.socket) -> None:
    """The gateway writes a small request in one piece, so one is read at a time."""
    while connection.recv(65536):
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

    def ask(self, kind: str, times: int) -> None:
        for _ in range(times):
            self.connection.sendall(REQUEST % f"/{kind}".encode())
            received = b""
            while not is_whole(received):
                received += self.connection.recv(65536)
        # The first request of a day is allowed, and the last tells of all others.
        assert received.startswith(b"HTTP/1.1 " + EXPECTED[kind]), received


def is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    return bool(end) and len(body) == int(re.search(rb"content-length: *(\d+)", head, re.I)[1])


class Http2:
    """Writes frames by hand, and reads no more of a head than its status."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.stream, self.received = connection, -1, b""
        connection.sendall(BEGINNING)

    def ask(self, kind: str, times: int) -> None:
        # POST, http, a path and an authority by their places in the static table, and fields by their names.
        head = b"\x83\x86" + b"\x04" + text(f"/{kind}".encode()) + b"\x01" + text(b"models.example")
        head += b"".join(b"\0" + text(name) + text(value) for name, value in FIELDS.items())
        for _ in range(times):
            self.stream += 2
            self.connection.sendall(
                frame(HEADERS, END_HEADERS, self.stream, head) + frame(DATA, END_STREAM, self.stream, BODY)
            )
            status = self.response()
        assert status == EXPECTED[kind], status

    def response(self) -> bytes:
        """Reads to the end of the response."""
        status = b""
        while True:
            kind, flags, stream, payload = self.read()
            if stream == self.stream and kind == HEADERS:
                # 200 is in the static table; others are written out, or were before.
                status = b"200" if payload[0] == 0x88 else b"429"
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


def total(file: pathlib.Path) -> int:
    return int(re.search(r"^(?:summary|totals): (\d+)", file.read_text(), re.M)[1])


def functions(file: pathlib.Path, count: int, requests: int = COUNTED) -> str:
    """The functions that execute most, each with its own instructions for one request."""
    own, names, function, is_call = collections.Counter(), {}, "", False
    for line in file.read_text().splitlines():
        kind, _, value = line.partition("=")
        if kind in ("fn", "cfn"):
            number, _, name = value.partition(" ")
            # A name is written once, and from then on its number stands for it.
            name = names.setdefault(number, name)
            function = name if kind == "fn" else function
        elif kind == "calls":
            is_call = True
        elif re.match(r"[\d+*-]", line):
            # Behind a call stands what the callee has executed.
            own[function] += 0 if is_call else int(line.split()[-1])
            is_call = False
    return "\n".join(f"{number / requests:8.0f}  {name}" for name, number in own.most_common(count))


if __name__ == "__main__":
    main()
