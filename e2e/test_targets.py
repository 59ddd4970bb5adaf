"""Targets that servers accept as they are, asked for by hand and by curl: behind the gateway they mean what they mean behind nginx."""

import json
import socket
import subprocess
import sys
from urllib.parse import unquote_to_bytes

import pytest

from server import TIMEOUT, Server, free_port

ECHO = """
import json, sys, uvicorn

async def app(scope, receive, send):
    seen = json.dumps([scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")]).encode()
    headers = [(b"content-length", str(len(seen)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": seen})

uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", log_level="warning")
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {listen};
        location / {{ proxy_pass {upstream}; }}
    }}
}}
"""

TARGETS = [
    '/a?f={"a":1}',
    "/a?<b>=c>d",
    "/`a`/b?c=`",
    '/"a"/{b}?c|d^e\\f',
    "/a%22b?c=%22_\"_%3C",
    "/plain?a=b",
]


def ask(url, target, before=b""):
    """The response of a server to a raw target: its status, and the path and the query that the application saw."""
    host, port = url.removeprefix("http://").split(":")
    target = target if isinstance(target, bytes) else target.encode()
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as stream:
        stream.sendall(b"GET " + target + b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return status, [unquote_to_bytes(part) for part in json.loads(body)] if status == 200 else body


@pytest.fixture
def echo(tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    server = Server([sys.executable, "-c", ECHO, url.rsplit(":", 1)[1]], f"{url}/", tmp_path / "echo.log")
    server.url = url
    yield server
    server.stop()


@pytest.fixture
def nginx(tmp_path, echo):
    listen = f"127.0.0.1:{free_port()}"
    file = tmp_path / "nginx.conf"
    file.write_text(NGINX.format(folder=tmp_path, listen=listen, upstream=echo.url))
    server = Server(["nginx", "-c", file, "-e", "stderr"], f"http://{listen}/", tmp_path / "nginx.log")
    server.url = f"http://{listen}"
    yield server
    server.stop()


def test_a_raw_target_means_the_same_as_without_a_proxy_and_behind_nginx(start, echo, nginx):
    gateway = start("", upstream=echo.url)

    for target in TARGETS:
        direct = ask(echo.url, target)
        assert direct[0] == 200, target
        assert ask(nginx.url, target) == direct, target
        assert ask(gateway.url, target) == direct, target


def test_bytes_that_are_no_text_are_passed_on_percent_encoded(start, echo):
    gateway = start("", upstream=echo.url)

    assert ask(gateway.url, b"/a?q=\xff\xfe") == (200, [b"/a", b"q=\xff\xfe"])
    assert ask(gateway.url, b"/\xe9") == (200, [b"/\xe9", b""])


def test_curl_sends_json_in_a_query_as_it_is(start, echo):
    gateway = start("", upstream=echo.url)

    printed = subprocess.run(
        ["curl", "--silent", "--globoff", '%s/a?f={"a":1}' % gateway.url], capture_output=True, timeout=TIMEOUT
    ).stdout

    assert unquote_to_bytes(json.loads(printed)[1]) == b'f={"a":1}'


def test_what_is_ambiguous_is_a_problem_that_is_counted_and_logged(start, echo):
    gateway = start("", upstream=echo.url, env={"SLUICEGATE_LOG": "sluicegate_gateway=debug"})

    for count, target in enumerate(["/a b", "/a\tb", "/a\x7fb"], 1):
        status, body = ask(gateway.url, target)
        assert status == 400 and json.loads(body)["error"]["code"] == "bad_request", target
        assert gateway.labelled("sluicegate_requests_total", 'decision="refuse"') == count
    assert gateway.logged().count("bad_request") >= 3, gateway.logged()
    assert "invalid URI" in gateway.logged() or "invalid HTTP version" in gateway.logged(), gateway.logged()
