"""Bodies of a gigabyte, in each direction, both framings and both versions of HTTP, in constant memory."""

import hashlib
import os
import socket
import subprocess

import pytest

from process import Process
from raw_server import GIGABYTE, PIECE
from server import TIMEOUT

MEGABYTE = 1 << 20
BOUND = 16 * MEGABYTE  # of memory, whatever the body


def connect(gateway):
    stream = socket.create_connection(gateway.address(), timeout=TIMEOUT)
    return stream, stream.makefile("rb", buffering=MEGABYTE)


def head(answer):
    """The status and the fields of an answer's head."""
    status = int(answer.readline().split()[1])
    fields = {}
    while line := answer.readline().strip():
        name, value = line.decode().lower().split(": ", 1)
        fields[name] = value
    return status, fields


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_gigabyte_to_the_upstream(start, raw_server, framing):
    gateway = start("", raw_server.url)
    process = Process(gateway)
    stream, answer = connect(gateway)
    process.watch()

    chunked = framing == "chunked"
    field = "transfer-encoding: chunked" if chunked else f"content-length: {GIGABYTE}"
    stream.sendall(f"POST /count HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n".encode())
    piece = b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    for _ in range(GIGABYTE // len(PIECE)):
        stream.sendall(piece)
    if chunked:
        stream.sendall(b"0\r\n\r\n")
    status, fields = head(answer)

    assert status == 200
    received = int(answer.read(int(fields["content-length"])))
    assert received == GIGABYTE or (chunked and received > GIGABYTE)
    assert process.growth() < BOUND


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_gigabyte_to_the_client(start, raw_server, framing):
    gateway = start("", raw_server.url)
    process = Process(gateway)
    stream, answer = connect(gateway)
    process.watch()

    chunked = framing == "chunked"
    stream.sendall(f"GET /gigabyte{'-chunked' if chunked else ''} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    status, fields = head(answer)
    received = 0
    if chunked:
        while size := int(answer.readline(), 16):
            received += size
            while size:
                size -= len(answer.read(min(size, MEGABYTE)))
            assert answer.readline() == b"\r\n"
    else:
        assert int(fields["content-length"]) == GIGABYTE
        while received < GIGABYTE:
            received += len(answer.read(MEGABYTE))

    assert (status, received) == (200, GIGABYTE)
    assert process.growth() < BOUND


def curl(url, *options):
    """By HTTP/2: the status and the bytes that went each way."""
    command = ["curl", "--silent", "--http2-prior-knowledge", "--output", "/dev/null", "--write-out"]
    told = "%{http_version} %{http_code} %{size_upload} %{size_download}"
    printed = subprocess.run([*command, told, *options, url], capture_output=True, text=True, timeout=10 * TIMEOUT).stdout
    version, *numbers = printed.split()
    assert version == "2"
    return [int(number) for number in numbers]


def test_a_gigabyte_each_way_by_http_2(start, raw_server, tmp_path):
    """From the client, and to the upstream, which is another gateway."""
    behind = start("", raw_server.url)
    gateway = start("", behind.url.replace("http://", "h2c://"))
    processes = [Process(gateway), Process(behind)]
    for process in processes:
        process.watch()
    sparse = tmp_path / "gigabyte"
    with sparse.open("wb") as file:
        file.truncate(GIGABYTE)

    assert curl(f"{gateway.url}/gigabyte") == [200, 0, GIGABYTE]
    assert curl(f"{gateway.url}/gigabyte-chunked") == [200, 0, GIGABYTE]
    assert curl(f"{gateway.url}/count", "--upload-file", sparse) == [200, GIGABYTE, len(str(GIGABYTE))]

    for process in processes:
        assert process.growth() < BOUND


def test_8_megabytes_that_a_meter_reads(start, model):
    """A route whose limit is in bytes holds a body that does not announce its length, to weigh it: up to `max_body`, and refuses it
    above. One that does announce it streams."""
    route = '[[route]]\npath = "/echo"\nmeter = "bytes"\nlimits = ["1000000000/day"]\n'
    body = os.urandom(8 * MEGABYTE)
    chunks = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]

    gateway = start(f'[gateway]\nmax_body = "8MiB"\n{route}')
    with gateway.client() as client:
        for sent in (body, iter(chunks)):
            answer = client.post("/echo", content=sent)
            assert answer.status_code == 200
            assert hashlib.sha256(answer.content).digest() == hashlib.sha256(body).digest()

    gateway = start(route)
    process = Process(gateway)
    process.watch()
    calls = model.calls("/echo")
    for _ in range(10):
        with gateway.client() as client:
            assert client.post("/echo", content=iter(chunks)).status_code == 413
    assert model.calls("/echo") == calls
    for _ in range(10):
        with gateway.client() as client:
            answer = client.post("/echo", content=body)
            assert hashlib.sha256(answer.content).digest() == hashlib.sha256(body).digest()
    assert process.growth() < BOUND
