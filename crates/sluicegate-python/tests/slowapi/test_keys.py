"""The owner of a request's account."""

import asyncio

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from sluicegate.slowapi import Limiter
from sluicegate.slowapi.errors import RateLimitExceeded
from sluicegate.slowapi.util import get_ipaddr, get_remote_address


def request_from(address, *headers):
    headers = [(name.lower().encode(), value.encode()) for name, value in headers]
    client = (address, 50000) if address is not None else None
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "client": client})


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("waits", [True, False])
def test_a_key_function_may_be_async(build, statuses, sync, waits):
    async def key(request):
        if waits:
            await asyncio.sleep(0)
        return request.headers["tenant"]

    app, limiter = build(key)
    if sync:

        @app.get("/")
        @limiter.limit("1/minute")
        def root(request: Request):
            return {}

    else:

        @app.get("/")
        @limiter.limit("1/minute")
        async def root(request: Request):
            return {}

    assert statuses(app, "/", 2, headers={"tenant": "a"}) == [200, 429]
    assert statuses(app, "/", 2, headers={"tenant": "b"}) == [200, 429]
    assert limiter._storage.get("LIMITER/a///1/1/minute") == 2


def test_an_async_key_function_serves_code_that_cannot_await(build):
    async def at_once(request):
        return "a"

    async def later(request):
        await asyncio.sleep(0)
        return "a"

    async def check(limiter):
        limiter._check_request_limit(request_from("192.0.2.1"), None, True)

    for key in (at_once, later):
        limiter = Limiter(key, default_limits=["1/minute"])
        limiter._check_request_limit(request_from("192.0.2.1"), None, True)
        with pytest.raises(RateLimitExceeded):
            limiter._check_request_limit(request_from("192.0.2.1"), None, True)
    with pytest.raises(RateLimitExceeded):
        asyncio.run(check(Limiter(at_once, default_limits=["0/minute"])))
    with pytest.raises(RuntimeError, match="cannot be waited for here"):
        asyncio.run(check(Limiter(later, default_limits=["0/minute"])))


def test_an_error_of_an_async_key_function_is_the_endpoints(build):
    async def key(request):
        raise RuntimeError("no tenant")

    app, limiter = build(key)

    @app.get("/")
    @limiter.limit("1/minute")
    def root(request: Request):
        return {}

    with pytest.raises(RuntimeError, match="no tenant"):
        TestClient(app).get("/")


@pytest.mark.parametrize("nothing", ["", None])
@pytest.mark.parametrize("middleware", [True, False])
def test_a_key_function_that_tells_nothing_charges_the_clients_address(build, statuses, nothing, middleware):
    app, limiter = build(lambda: nothing, default_limits=["1/minute"])
    if middleware:
        app.add_api_route("/", lambda: {})
    else:

        @app.get("/")
        @limiter.limit("1/minute")
        def root(request: Request):
            return {}

    assert statuses(app, "/", 2) == [200, 429]
    assert statuses(app, "/", 2, client=("203.0.113.8", 1)) == [200, 429]
    assert limiter._storage.get("LIMITER/203.0.113.8///1/1/minute") == 2


def test_key_functions_are_given_what_they_have_a_place_for(build):
    app, limiter = build()

    class Tenant:
        def __call__(self, request):
            return request.headers["tenant"]

    keys = [
        lambda: "nobody",
        lambda request: request.headers["tenant"],
        lambda connection: connection.headers["tenant"],
        lambda prefix="x", *, request: prefix + request.headers["tenant"],
        lambda prefix="y": prefix,
        lambda *, request: request.headers["tenant"],
        Tenant(),
        lambda: 7,
    ]
    for number, key in enumerate(keys):
        app.add_api_route(f"/{number}", limiter.limit("1/minute", key)(endpoint(number)))
    client = TestClient(app)
    told = ["nobody", "a", "a", "xa", "y", "a", "a", "7"]
    for number, key in enumerate(told):
        client.get(f"/{number}", headers={"tenant": "a"})
        assert limiter._storage.get(f"LIMITER/{key}//{number}/1/1/minute") == 1, number


def endpoint(number):
    def numbered(request: Request):
        return number

    return numbered


def test_keys_of_endpoints_are_their_names(build, statuses):
    app, limiter = build(key_style="endpoint", default_limits=["1/minute"])

    @app.get("/plain/{item}")
    async def plain(item: str):
        return item

    @app.get("/decorated/{item}")
    @limiter.limit("1/hour")
    async def decorated(request: Request, item: str):
        return item

    assert statuses(app, "/plain/a") + statuses(app, "/plain/b") == [200, 429]
    assert statuses(app, "/decorated/a") + statuses(app, "/decorated/b") == [200, 429]
    assert limiter._storage.get(f"LIMITER/203.0.113.7/{__name__}.plain/1/1/minute") == 2
    assert limiter._storage.get(f"LIMITER/203.0.113.7/{__name__}.decorated/1/1/hour") == 2


def test_a_key_function_of_a_limit_wins(build, statuses):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("1/minute", key_func=lambda: "everybody")
    def root(request: Request):
        return {}

    assert statuses(app, "/") + statuses(app, "/", client=("203.0.113.8", 1)) == [200, 429]


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", [("X-Forwarded-For", "198.51.100.1")], "203.0.113.7"),
        ("203.0.113.7", [("X_FORWARDED_FOR", "198.51.100.1")], "203.0.113.7"),
        ("10.0.0.1", [("X-Forwarded-For", "198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [("X-Forwarded-For", "6.6.6.6, 198.51.100.1, 10.2.3.4")], "198.51.100.1"),
        ("10.0.0.1", [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [("X-Forwarded-For", "198.51.100.1"), ("X_FORWARDED_FOR", "6.6.6.6")], "198.51.100.1"),
        ("10.0.0.1", [("X_FORWARDED_FOR", "198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [("X-Forwarded-For", "not an address")], "10.0.0.1"),
        ("10.0.0.1", [("X-Forwarded-For", "")], "10.0.0.1"),
        ("::ffff:10.0.0.1", [("X-Forwarded-For", "2001:db8::1")], "2001:db8::1"),
        ("testclient", [("X-Forwarded-For", "198.51.100.1")], "testclient"),
        ("testclient", [], "testclient"),
        (None, [("X-Forwarded-For", "198.51.100.1")], "127.0.0.1"),
        (None, [], "127.0.0.1"),
    ],
)
def test_addresses_are_believed_from_trusted_proxies_alone(peer, headers, client):
    limiter = Limiter(get_ipaddr, trusted_proxies=["10.0.0.0/8"])
    request = request_from(peer, *headers)
    request.scope["sluicegate.slowapi"] = limiter
    assert get_ipaddr(request) == client
    assert get_remote_address(request) == peer or (peer, get_remote_address(request)) == (None, "127.0.0.1")


@pytest.mark.parametrize("peer", [None, "", "testclient"])
def test_a_peer_without_an_address_is_believed_where_unix_is_trusted(peer):
    request = request_from(peer, ("X-Forwarded-For", "6.6.6.6, 198.51.100.1, 10.2.3.4"))
    request.scope["sluicegate.slowapi"] = Limiter(get_ipaddr, trusted_proxies=["unix", "10.0.0.0/8"])
    assert get_ipaddr(request) == "198.51.100.1"


def test_the_limiter_that_checks_says_who_is_trusted(build, statuses):
    app, _ = build(get_ipaddr, default_limits=["1/minute"])
    trusting, _ = build(get_ipaddr, default_limits=["1/minute"], trusted_proxies=["203.0.113.7"])
    for served in (app, trusting):
        served.add_api_route("/", lambda: {})
    asked = [{"X-Forwarded-For": f"198.51.100.{last}"} for last in (1, 2)]
    assert [statuses(app, "/", headers=headers) for headers in asked] == [[200], [429]]
    assert [statuses(trusting, "/", headers=headers) for headers in asked] == [[200], [200]]


def test_the_limiter_of_a_decorator_says_who_is_trusted(build, statuses):
    app, _ = build(get_ipaddr)
    trusting = Limiter(get_ipaddr, trusted_proxies=["203.0.113.7"])

    @app.get("/")
    @trusting.limit("1/minute")
    def root(request: Request):
        return {}

    asked = [{"X-Forwarded-For": f"198.51.100.{last}"} for last in (1, 2)]
    assert [statuses(app, "/", headers=headers) for headers in asked] == [[200], [200]]


def test_a_network_that_is_none_is_an_error():
    with pytest.raises(ValueError, match="10.0.0.0/99"):
        Limiter(get_ipaddr, trusted_proxies=["10.0.0.0/99"])
