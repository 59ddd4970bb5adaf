"""Responses to admitted and denied requests."""

import http_sfv
import pytest
from fastapi import Depends, FastAPI, Response
from starlette.responses import StreamingResponse

from sluicegate import Limiter
from sluicegate.fastapi import RateLimit


@pytest.fixture
def client(limiter, ask):
    """A client of an app that limits by a dependency and by a decorator."""
    app = FastAPI()

    def limit():
        return RateLimit("2/minute", "100/hour", limiter=limiter)

    @app.get("/dependency", dependencies=[Depends(limit())])
    async def dependency():
        return {}

    @app.get("/dependency/response", dependencies=[Depends(limit())])
    async def own_headers(response: Response):
        response.headers["x-own"] = "kept"
        return {}

    @app.get("/decorated")
    @limit()
    async def decorated():
        return {}

    @app.get("/decorated/plain")
    @limit()
    def plain():
        return Response("plain", headers={"x-own": "kept"})

    @app.get("/decorated/stream")
    @limit()
    async def stream():
        return StreamingResponse(iter(["a", "b"]))

    return ask(app)


PATHS = ["/dependency", "/dependency/response", "/decorated", "/decorated/plain", "/decorated/stream"]


@pytest.mark.parametrize("path", PATHS)
def test_whoever_passes_learns_what_is_left(client, path):
    answer = client.get(path)

    assert answer.status_code == 200
    limits, policies = http_sfv.List(), http_sfv.List()
    limits.parse(answer.headers["ratelimit"].encode())
    policies.parse(answer.headers["ratelimit-policy"].encode())
    assert sorted((policy.params["q"], policy.params["w"]) for policy in policies) == [(2, 60), (100, 3600)]
    assert 1 in [limit.params["r"] for limit in limits]
    if answer.headers.get("x-own"):
        assert answer.headers["x-own"] == "kept"
    assert len(answer.headers.get_list("ratelimit")) == len(answer.headers.get_list("ratelimit-policy")) == 1


@pytest.mark.parametrize("path", PATHS)
def test_whoever_may_not_learns_why_and_until_when(client, path):
    for _ in range(2):
        assert client.get(path).status_code == 200
    answer = client.get(path)

    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["retry-after"] == "30"
    assert answer.headers.get_list("content-length") == [str(len(answer.content))]
    problem = answer.json()
    assert problem["status"] == 429
    assert problem["type"].startswith("https://iana.org/assignments/http-problem-types")
    assert problem["detail"].startswith("Too Many Requests")
    assert problem["violated-policies"]
    assert problem["error"]["code"] == "rate_limit_exceeded"


def test_waiting_exactly_as_long_as_told_helps(client, clock):
    for _ in range(2):
        client.get("/dependency")
    wait = int(client.get("/dependency").headers["retry-after"])
    clock.advance(wait - 1)
    assert client.get("/dependency").status_code == 429
    clock.advance(1)
    assert client.get("/dependency").status_code == 200


def test_header_families_are_those_of_the_limiters_policy(ask):
    limiter = Limiter(policy={"responses": {"headers": ["github"]}})
    app = FastAPI(dependencies=[Depends(RateLimit("2/minute", limiter=limiter))])

    @app.get("/")
    async def root():
        return {}

    headers = ask(app).get("/").headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("2", "1")
    assert "ratelimit" not in headers


def test_a_limiter_that_denies_without_its_store_answers_503(ask):
    limiter = Limiter("redis://:sesame@127.0.0.1:1", {"store": {"outage": "deny"}})
    app = FastAPI(dependencies=[Depends(RateLimit("2/minute", limiter=limiter))])

    @app.get("/")
    async def root():
        return {}

    answer = ask(app).get("/")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "store_unavailable"
    assert answer.headers["retry-after"] == "1"
    assert "sesame" not in answer.text


def test_an_api_key_that_nobody_has_is_answered_401(ask, tmp_path):
    (tmp_path / "keys.toml").write_text("")
    policy = {"identity": {"api_keys": str(tmp_path / "keys.toml")}}
    app = FastAPI(dependencies=[Depends(RateLimit("2/minute", limiter=Limiter(policy=policy)))])

    @app.get("/")
    async def root():
        return {}

    client = ask(app)
    answer = client.get("/", headers={"x-api-key": "guessed"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert "www-authenticate" in answer.headers
    assert client.get("/").status_code == 200


def test_a_denial_is_logged_once_and_tells_nobodys_address(ask, limiter, caplog):
    caplog.set_level("INFO", "sluicegate")
    app = FastAPI(dependencies=[Depends(RateLimit("1/minute", limiter=limiter))])

    @app.get("/")
    async def root():
        return {}

    client = ask(app, "203.0.113.99")
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]
    [denied] = [record.getMessage() for record in caplog.records if record.name == "sluicegate"]
    assert "route=/ " in denied and "retry_after=60" in denied
    assert "203.0.113.99" not in denied
