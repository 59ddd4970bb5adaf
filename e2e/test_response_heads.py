"""Heads of an upstream's responses, as real clients and the log see them."""

import pytest

from server import until


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
