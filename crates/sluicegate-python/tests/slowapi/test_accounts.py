"""Accounts of requests: of endpoints that share one, of methods, and of separate apps."""

import asyncio

import httpx
from fastapi import Request
from fastapi.testclient import TestClient


def test_a_shared_limit_is_one_account_of_its_endpoints(build, statuses):
    app, limiter = build()
    shared = limiter.shared_limit("3/minute", scope="models")
    by_name = limiter.shared_limit("1/minute", scope=lambda endpoint: endpoint.rsplit("/", 1)[0])
    by_request = limiter.shared_limit("1/minute", scope=lambda request: request.headers["team"])

    for path, limit in [("/a", shared), ("/b", shared), ("/n/1", by_name), ("/n/2", by_name), ("/r", by_request)]:

        @app.get(path)
        @limit
        def endpoint(request: Request):
            return {}

    assert statuses(app, "/a", 2) + statuses(app, "/b", 2) == [200, 200, 200, 429]
    assert limiter._storage.get("LIMITER/203.0.113.7/models/3/1/minute") == 4
    assert statuses(app, "/n/1") + statuses(app, "/n/2") == [200, 429]
    assert statuses(app, "/r", 2, headers={"team": "a"}) + statuses(app, "/r", headers={"team": "b"}) == [200, 429, 200]


def test_methods_have_accounts_or_limits_of_their_own(build):
    app, limiter = build()

    @app.api_route("/each", methods=["GET", "POST"])
    @limiter.limit("1/minute", per_method=True)
    def each(request: Request):
        return {}

    @app.api_route("/posts", methods=["GET", "POST"])
    @limiter.limit("1/minute", methods=["POST"])
    def posts(request: Request):
        return {}

    client = TestClient(app)
    asked = [("GET", "/each"), ("POST", "/each"), ("GET", "/each"), ("GET", "/posts"), ("POST", "/posts"), ("POST", "/posts")]
    assert [client.request(*one).status_code for one in asked] == [200, 200, 429, 200, 200, 429]
    assert client.get("/posts").status_code == 200
    assert limiter._storage.get("LIMITER/testclient//each:POST/1/1/minute") == 1


def test_apps_in_one_process_have_limiters_of_their_own(build, statuses):
    (first, _), (second, _) = build(default_limits=["1/minute"]), build(default_limits=["2/minute"])
    for app in (first, second):
        app.add_api_route("/", lambda: {})
    assert statuses(first, "/", 2) == [200, 429]
    assert statuses(second, "/", 3) == [200, 200, 429]


def test_a_mounted_app_with_a_limiter_of_its_own_is_asked_too(build, statuses):
    outer, _ = build(default_limits=["3/minute"])
    inner, limiter = build(default_limits=["2/minute"])
    inner.add_api_route("/plain", lambda: {})

    @inner.get("/decorated")
    @limiter.limit("1/minute")
    def decorated(request: Request):
        return {}

    outer.mount("/in", inner)
    assert statuses(outer, "/in/plain", 4) == [200, 200, 429, 429]
    assert statuses(outer, "/in/decorated", 2) == [200, 429]


def test_concurrent_requests_pass_exactly_what_the_limit_says(build):
    app, limiter = build(default_limits=["20/minute"])
    app.add_api_route("/plain", lambda: {})

    @app.get("/decorated")
    @limiter.limit("20/minute")
    def decorated(request: Request):
        return {}

    async def crowd(path):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = await asyncio.gather(*(client.get(path) for _ in range(60)))
        return sorted(answer.status_code for answer in answers)

    for path in ("/plain", "/decorated"):
        assert asyncio.run(crowd(path)) == [200] * 20 + [429] * 40
