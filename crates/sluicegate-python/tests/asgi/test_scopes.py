"""Scopes of servers and hostile clients: none of them escapes a limit, and none is an error."""

import asyncio

import pytest
from starlette.testclient import WebSocketDenialResponse

from sluicegate import Limiter
from sluicegate.asgi import RateLimitMiddleware

POLICY = {
    "route": [
        {"path": "/predict", "methods": ["POST"], "limits": ["1/minute"]},
        {"path": "/models/{model}", "limits": ["1/minute"]},
    ]
}


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def twice():
    """The responses of an app under the policy to the same request, sent twice."""
    limited = RateLimitMiddleware(app, limiter=Limiter(policy=POLICY))

    async def ask(scope):
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await limited(scope, receive, send)
        return sent[0]["status"]

    def twice(path="/predict", **parts):
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode("utf-8", "surrogateescape"),
            "query_string": b"",
            "headers": [],
            "client": ["203.0.113.7", 1],
            **parts,
        }
        return [asyncio.run(ask({name: part for name, part in scope.items() if part is not ...})) for _ in range(2)]

    return twice


@pytest.mark.parametrize("query", [b"<", b">", b'"', b"a=\x01", b"a b", b"\xff", b"\xc3\xa9", b"#", b"a=%zz"])
def test_no_query_leads_away_from_a_route(twice, query):
    assert twice(query_string=query) == [200, 429]


@pytest.mark.parametrize("model", ["a<b", 'a"b', "a b", "a|b", "ä", "a\udc80b", "{", "a?b", "a#b", "%", "%41", "\ufffd"])
@pytest.mark.parametrize("is_told", [True, False], ids=["raw path", "no raw path"])
def test_no_character_of_a_path_leads_away_from_a_route(twice, model, is_told):
    raw = f"/models/{model}".encode("utf-8", "surrogateescape") if is_told else ...
    assert twice(f"/models/{model}", raw_path=raw) == [200, 429]


def test_a_path_is_as_it_was_sent_where_the_scope_tells(twice):
    assert twice("/models/a/b", raw_path=b"/models/a%2Fb") == [400, 400]


def test_a_path_that_a_middleware_wrote_anew_is_the_one_that_counts(twice):
    assert twice("/predict", raw_path=b"/v1/predict") == [200, 429]


@pytest.mark.parametrize("path, query", [("/models/" + "m" * 70_000, b"a=b"), ("/predict", b"a" * 70_000)])
def test_what_is_longer_than_an_address_can_be_is_refused(twice, path, query):
    assert twice(path, query_string=query) == [400, 400]


@pytest.mark.parametrize("root", ["/api", "/api/"])
@pytest.mark.parametrize("raw", [b"/api/predict", b"/%61pi/predict", ..., None])
def test_what_a_proxy_has_cut_off_is_no_part_of_a_path(twice, root, raw):
    assert twice("/api/predict", raw_path=raw, root_path=root) == [200, 429]


def test_a_root_path_that_is_no_part_of_the_path_changes_nothing(twice):
    assert twice("/predict", root_path="/pre") == [200, 429]


def test_where_an_app_is_mounted_is_a_part_of_its_paths(twice):
    assert twice("/models/m", root_path="/models", app_root_path="") == [200, 429]


@pytest.mark.parametrize("client", [None, ..., [], ["testclient", 1], [b"203.0.113.7", 1], ["fe80::1%eth0", 1]])
def test_a_client_without_an_address_is_limited_with_its_like(twice, client):
    assert twice(client=client) == [200, 429]


@pytest.mark.parametrize(
    "headers", [..., (), ([b"a", b"b"],), iter([(b"a", b"b")]), [(b"a b", b"\x00")], [(b"a%d" % number, b"") for number in range(40_000)]],
    ids=["none", "tuple", "lists", "iterator", "no header", "40,000"],
)  # fmt: skip
def test_headers_of_any_shape_and_number_are_read(twice, headers):
    assert twice(headers=headers) == [200, 429]


@pytest.mark.parametrize("path", ["", "*", "/", "/ping"])
def test_a_path_that_is_on_no_route_meets_the_limits_of_none(twice, path):
    assert twice(path, raw_path=None) == [200, 200]


def test_messages_and_lists_that_an_app_sends_again_and_again_stay_as_they_are(ask):
    headers = [(b"content-length", b"0")]
    start = {"type": "http.response.start", "status": 200, "headers": headers}

    async def constant(scope, receive, send):
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    client = ask(RateLimitMiddleware(constant, {"defaults": {"limits": ["9/minute"]}}))
    told = [client.get("/").headers["ratelimit"] for _ in range(3)]
    assert [text.split(";")[1] for text in told] == ["r=8", "r=7", "r=6"]
    assert (start["headers"], len(headers)) == (headers, 1)


def test_a_websocket_has_no_body_to_meter_and_counts_as_one_request(ask):
    limits = ["1/minute", "9 items/minute"]
    policy = {"route": [{"path": "/ws", "meter": {"items": "/inputs"}, "limits": limits}]}
    client = ask(RateLimitMiddleware(app, policy))
    with client.websocket_connect("/ws"):
        pass
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/ws"):
        pass
    assert denied.value.status_code == 429


def test_a_client_that_goes_before_its_body_has_come_is_charged_nothing_and_answered_nothing():
    policy = {"route": [{"path": "/predict", "meter": {"items": "/inputs"}, "limits": [{"name": "one", "quota": "9 items/minute", "key": "global"}]}]}
    limited = RateLimitMiddleware(app, policy)
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
    asyncio.run(limited(scope, receive, send))
    assert sent == []
