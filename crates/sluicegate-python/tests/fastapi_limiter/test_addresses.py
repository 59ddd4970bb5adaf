"""Identification of callers without an identifier."""

import pytest
from fastapi import Depends, FastAPI

from sluicegate.fastapi_limiter.depends import RateLimiter


@pytest.fixture
def ask(serve, limiter):
    """Asks an app that allows one request a caller: `ask("10.0.0.1", "203.0.113.9")`."""
    app = FastAPI()
    app.get("/", dependencies=[Depends(RateLimiter(times=1, minutes=1))])(lambda: "ok")

    def ask(peer, *forwarded, trusted=()):
        client = serve(app, limiter, address=(peer, 1), trusted_proxies=trusted)
        return client.get("/", headers=[("x-forwarded-for", line) for line in forwarded]).status_code

    return ask


def test_a_header_that_anybody_can_send_is_not_believed(ask):
    assert [ask("192.0.2.1", f"203.0.113.{number}") for number in range(3)] == [200, 429, 429]


def test_a_trusted_proxy_says_for_whom_it_asks(ask):
    trusted = ["10.0.0.0/8"]
    assert ask("10.0.0.1", "203.0.113.9", trusted=trusted) == 200
    assert ask("10.0.0.2", "203.0.113.9", trusted=trusted) == 429
    assert ask("10.0.0.1", "203.0.113.8", trusted=trusted) == 200
    assert ask("203.0.113.7", "203.0.113.6", trusted=trusted) == 200
    assert ask("203.0.113.7", "203.0.113.5", trusted=trusted) == 429


def test_what_a_client_claims_before_a_trusted_proxy_changes_nothing(ask):
    trusted = ["10.0.0.0/8"]
    assert ask("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.7", trusted=trusted) == 200
    assert ask("10.0.0.1", "5.6.7.8", "203.0.113.9", trusted=trusted) == 429


def test_one_customers_ipv6_network_is_one_caller(ask):
    assert [ask(f"2001:db8:1:{net}::{host}") for net, host in ((1, 1), (1, 2), (2, 1))] == [200, 429, 200]


def test_an_ipv4_address_is_the_same_in_ipv6s_clothes(ask):
    assert [ask("192.0.2.1"), ask("::ffff:192.0.2.1")] == [200, 429]


def test_a_network_that_cannot_be_read_is_an_error_at_init(serve, limiter):
    with pytest.raises(ValueError, match="10.0.0.0/33"):
        serve(FastAPI(), limiter, trusted_proxies=["10.0.0.0/33"])
