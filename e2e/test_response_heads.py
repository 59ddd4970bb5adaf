"""Heads of an upstream's responses, as real clients and the log see them."""

import subprocess

import httpx
import pytest

from server import PATIENCE, until


@pytest.mark.parametrize(
    "path, why",
    [
        ("/fields", "more than 1000 header fields (max_response_headers)"),
        ("/length", "not valid HTTP: invalid content-length parsed"),
        ("/coding", r"an unrequested transfer coding: \"gzip, chunked\""),
        ("/garbage", "not valid HTTP: invalid HTTP version parsed"),
        ("/close", "the upstream closed the connection"),
    ],
)
def test_the_log_says_why_a_response_cannot_be_passed_on_and_the_client_is_told_less(start, raw_server, path, why):
    gateway = start("", raw_server.url)

    with gateway.client() as client:
        answer = client.get(path)

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == ("upstream_down" if path == "/close" else "upstream_invalid")
    assert "gzip" not in answer.text and "content-length" not in answer.text
    until(lambda: why in gateway.logged(), f"the log says {why}")


def test_early_hints_reach_clients_of_http_1_1_alone(start, raw_server):
    gateway = start("", raw_server.url)

    def curl(*options):
        command = ["curl", "--silent", "--include", *options, f"{gateway.url}/hints"]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout

    printed = curl("--http1.1")
    assert printed.startswith("HTTP/1.1 103 Early Hints\nlink: </style.css>; rel=preload\n\nHTTP/1.1 200 OK\n")
    assert curl("--http1.0").startswith("HTTP/1.0 200 OK\n")
    assert curl("--http2-prior-knowledge").startswith("HTTP/2 200")
    assert httpx.get(f"{gateway.url}/hints").text == "ok"


def test_interim_responses_can_be_kept_from_clients_that_take_them_for_the_last(start, raw_server):
    gateway = start("[gateway]\ninterim_responses = false\n", raw_server.url)

    printed = subprocess.run(["curl", "--silent", "--include", f"{gateway.url}/hints"], capture_output=True, text=True)

    assert printed.stdout.startswith("HTTP/1.1 200 OK\n")
