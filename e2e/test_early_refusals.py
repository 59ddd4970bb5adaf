"""Uploads that are refused before they have ended: real clients see the answer, and not a broken connection."""

import json
import subprocess

import httpx
import pytest

import frames
from frames import RST_STREAM
from process import Process
from server import TIMEOUT, until

KILOBYTE = 1 << 10
MEGABYTE = 1 << 20
SIZES = [10 * KILOBYTE, 100 * KILOBYTE, MEGABYTE, 10 * MEGABYTE]
POLICY = """
[gateway]
header_timeout    = "2s"
client_keep_alive = "5s"

[[route]]
path   = "/echo"
limits = ["1/day"]
"""

NODE = """
const http2 = require("node:http2");
const [url, size] = [new URL(process.argv[1]), Number(process.argv[2])];
const session = http2.connect(url);
session.on("error", (error) => { console.log(JSON.stringify({ error: String(error) })); process.exit(); });
const request = session.request({ ":method": "POST", ":path": url.pathname });
let status, body = "";
request.setEncoding("utf8");
request.on("response", (head) => { status = head[":status"]; });
request.on("data", (piece) => { body += piece; });
request.on("error", (error) => { console.log(JSON.stringify({ status, error: String(error) })); process.exit(); });
request.on("end", () => { console.log(JSON.stringify({ status, body })); process.exit(); });
const pieces = [];
for (let left = size; left > 0; left -= 65536) pieces.push(Buffer.alloc(Math.min(left, 65536)));
require("node:stream").Readable.from(pieces).pipe(request);
"""


def curl(url, size, folder):
    upload = folder / "upload"
    upload.write_bytes(bytes(size))
    options = ["--silent", "--show-error", "--http2-prior-knowledge", "--data-binary", f"@{upload}"]
    told = ["--write-out", "\n%{http_version} %{http_code}"]
    asked = subprocess.run(["curl", *options, *told, url], capture_output=True, text=True, timeout=TIMEOUT)
    assert asked.returncode == 0, asked.stderr
    body, last = asked.stdout.rsplit("\n", 1)
    version, status = last.split()
    assert version == "2"
    return int(status), body


def over_httpx(url, size, _):
    with httpx.Client(http1=False, http2=True, timeout=TIMEOUT) as client:
        answer = client.post(url, content=bytes(size))
        return answer.status_code, answer.text


def node(url, size, _):
    asked = subprocess.run(["node", "-e", NODE, url, str(size)], capture_output=True, text=True, timeout=TIMEOUT)
    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout)
    assert "error" not in told, told
    return told["status"], told["body"]


@pytest.fixture
def gateway(start):
    """A gateway whose limit is spent."""
    gateway = start(POLICY)
    with gateway.client() as client:
        assert client.post("/echo", content=b"the one of today").status_code == 200
    return gateway


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("upload", [curl, over_httpx, node])
def test_an_upload_by_http_2_sees_its_denial(gateway, tmp_path, upload, size):
    status, body = upload(f"{gateway.url}/echo", size, tmp_path)

    assert status == 429
    assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("upload", [curl, over_httpx, node])
def test_an_upload_by_http_2_sees_that_it_is_too_large(start, tmp_path, upload):
    """It is found out while the body is read."""
    gateway = start('[[route]]\npath = "/echo"\nmeter = { items = "/inputs" }\n')

    status, _ = upload(f"{gateway.url}/echo", 10 * MEGABYTE, tmp_path)

    assert status == 413


@pytest.mark.parametrize("upload", [curl, over_httpx, node])
def test_an_upload_by_http_2_sees_what_the_upstream_says_early(start, raw_server, tmp_path, upload):
    gateway = start("", raw_server.url)

    status, _ = upload(f"{gateway.url}/early", 10 * MEGABYTE, tmp_path)

    assert status == 413


def test_uploads_that_go_on_after_their_denial_are_ended_and_take_no_memory(gateway):
    """One after the other is refused on one connection, and each sends slowly what nobody wants."""
    process = Process(gateway)
    before = process.rss()
    attacker = frames.connect(gateway)
    attacker.settimeout(TIMEOUT)
    streams = range(1, 200, 2)
    attacker.sendall(b"".join(frames.request(stream, "/echo", more=0) for stream in streams))

    # They send no more: each stream is reset, though its answer was whole.
    ended = set()
    while len(ended) < len(streams):
        kind, _, stream, payload = frames.read(attacker)
        if kind == RST_STREAM:
            assert payload == bytes(4), "NO_ERROR"
            ended.add(stream)
    assert ended == set(streams)
    assert process.peak() - before < 20 * MEGABYTE
    attacker.close()
    until(lambda: gateway.metric("sluicegate_connections") == 0, "nothing is left of it")
