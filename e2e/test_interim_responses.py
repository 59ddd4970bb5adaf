"""Interim responses (1xx) of an upstream, as real clients see them."""

import json
import re
import socket
import subprocess

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from server import TIMEOUT

LINK = "</style.css>; rel=preload"

NODE = """
const http2 = require("node:http2");
const url = new URL(process.argv[1]);
const session = http2.connect(url);
const request = session.request({ ":path": url.pathname });
const seen = [];
let body = "";
request.setEncoding("utf8");
request.on("headers", (head) => { seen.push([head[":status"], head["link"]]); });
request.on("response", (head) => { seen.push([head[":status"], head["link"]]); });
request.on("data", (piece) => { body += piece; });
request.on("end", () => { console.log(JSON.stringify({ seen, body })); session.close(); });
"""


def curl(url, *options):
    command = ["curl", "--silent", "--show-error", "--include", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout


def statuses(printed):
    """The statuses of the heads that curl printed, and the links in them."""
    return re.findall(r"^HTTP/\S+ (\d+)", printed, re.M), re.findall(r"^link: (.*)$", printed, re.M)


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_prints_them_before_the_response(start, raw_server, version):
    gateway = start("", raw_server.url)

    assert statuses(curl(f"{gateway.url}/hints", version)) == (["103", "200"], [LINK])
    many = curl(f"{gateway.url}/many-hints", version)
    assert statuses(many) == (["102", "103", "103", "503"], [LINK] * 2 + ["<a>"] * 50)
    assert many.endswith("busy")


def test_node_gets_them_as_events(start, raw_server):
    gateway = start("", raw_server.url)

    asked = subprocess.run(
        ["node", "-e", NODE, f"{gateway.url}/many-hints"], capture_output=True, text=True, timeout=TIMEOUT
    )

    told = json.loads(asked.stdout)
    assert [status for status, _ in told["seen"]] == [102, 103, 103, 503]
    assert told["seen"][1][1] == LINK
    assert told["body"] == "busy"


def test_python_gets_them_as_events(start, raw_server):
    gateway = start("", raw_server.url)

    events = ask(gateway, [(b":method", b"GET"), (b":path", b"/many-hints")])

    interim = [dict(event.headers) for event in events if isinstance(event, h2.events.InformationalResponseReceived)]
    assert [head[b":status"] for head in interim] == [b"102", b"103", b"103"]
    assert interim[1] == {b":status": b"103", b"link": LINK.encode()}
    final = next(event for event in events if isinstance(event, h2.events.ResponseReceived))
    assert dict(final.headers)[b":status"] == b"503"


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_a_client_that_waits_for_100_continue_gets_it_from_the_gateway(start, raw_server, tmp_path, version):
    gateway = start('[[route]]\npath = "/count"\nlimits = ["1/day"]\n', raw_server.url)
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(2_000_000))
    # It would wait for as long as it may take at all.
    options = [version, "--header", "Expect: 100-continue", "--expect100-timeout", str(10 * TIMEOUT)]
    options += ["--data-binary", f"@{upload}"]

    printed = curl(f"{gateway.url}/count", *options)

    assert statuses(printed)[0] == ["100", "200"]
    assert printed.endswith("2000000")
    assert statuses(curl(f"{gateway.url}/count", *options))[0] == ["429"]


def test_clients_that_know_none_get_the_response_alone(start, raw_server):
    gateway = start("", raw_server.url)

    assert curl(f"{gateway.url}/hints", "--http1.0").startswith("HTTP/1.0 200 OK\n")
    assert httpx.get(f"{gateway.url}/hints").text == "ok"
    with httpx.Client(http1=False, http2=True, timeout=TIMEOUT) as client:
        for path, status in [("/hints", 200), ("/many-hints", 503), ("/hints", 200)]:
            assert client.get(f"{gateway.url}{path}").status_code == status


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_they_can_be_kept_from_clients_that_take_them_for_the_last(start, raw_server, version):
    gateway = start("[gateway]\ninterim_responses = false\n", raw_server.url)

    assert statuses(curl(f"{gateway.url}/hints", version)) == (["200"], [])


def ask(gateway, head):
    """The events of one request of HTTP/2, up to the end of its response."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.send_headers(1, [*head, (b":scheme", b"http"), (b":authority", b"models.example")], end_stream=True)
    events = []
    with socket.create_connection(gateway.address(), timeout=TIMEOUT) as connection:
        while not any(isinstance(event, h2.events.StreamEnded) for event in events):
            connection.sendall(client.data_to_send())
            events += client.receive_data(connection.recv(65536))
    return events
