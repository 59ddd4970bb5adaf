"""`RateLimitMiddleware`: a policy file before any ASGI app, which it leaves as it is."""

import asyncio
import contextlib

import pytest
from fastapi import FastAPI
from litestar import Litestar, MediaType, get
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from sluicegate import Limiter, Policy, PolicyError
from sluicegate.fastapi import RateLimitMiddleware, permit

POLICY = {"route": [{"path": "/limited", "limits": ["2/minute"]}, {"path": "/models/{model}", "limits": ["1/minute"]}]}
SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/limited",
    "raw_path": b"/limited",
    "query_string": b"",
    "headers": [],
    "client": ("203.0.113.7", 50000),
}


def fastapi():
    app = FastAPI()

    @app.get("/{path:path}", response_class=PlainTextResponse)
    async def any_path(path):
        return "served"

    return app


def starlette():
    async def any_path(request):
        return PlainTextResponse("served")

    return Starlette(routes=[Route("/{path:path}", any_path)])


def litestar():
    @get("/{path:path}", media_type=MediaType.TEXT)
    async def any_path(path: str) -> str:
        return "served"

    return Litestar([any_path])


def bare():
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    return app


@pytest.mark.parametrize("build", [fastapi, starlette, litestar, bare])
def test_any_app_is_limited_by_the_policy(build, ask, clock):
    client = ask(RateLimitMiddleware(build(), limiter=Limiter(policy=POLICY, clock=clock)))
    answers = [client.get("/limited") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].text == "served"
    assert ";r=1" in answers[0].headers["ratelimit"]
    assert [client.get(f"/models/{model}").status_code for model in "ab"] == [200, 429]
    assert [client.get("/free").status_code for _ in range(3)] == [200] * 3
    assert "ratelimit" not in client.get("/free").headers
    clock.advance(60)
    assert client.get("/limited").status_code == 200


@pytest.mark.parametrize("build", [fastapi, starlette])
def test_it_is_added_as_any_middleware_is(build, ask, tmp_path):
    path = tmp_path / "sluicegate.toml"
    path.write_text('[[route]]\npath = "/limited"\nlimits = ["2/minute"]\n')
    for policy in (str(path), path, POLICY, Policy(POLICY)):
        app = build()
        app.add_middleware(RateLimitMiddleware, policy=policy)
        assert [ask(app).get("/limited").status_code for _ in range(3)] == [200, 200, 429]


def test_litestar_takes_it_as_its_own(ask):
    @get("/limited", media_type=MediaType.TEXT)
    async def limited() -> str:
        return "served"

    def limit(app):
        return RateLimitMiddleware(app, policy=POLICY)

    client = ask(Litestar([limited], middleware=[limit]))
    assert [client.get("/limited").status_code for _ in range(3)] == [200, 200, 429]


def test_a_policy_that_makes_no_sense_is_an_error_before_the_first_request():
    with pytest.raises(PolicyError, match="minuet"):
        RateLimitMiddleware(bare(), {"defaults": {"limits": ["1/minuet"]}})
    with pytest.raises(TypeError, match="either"):
        RateLimitMiddleware(bare(), POLICY, limiter=Limiter())


def test_a_lifespan_passes_through(ask):
    seen = []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        seen.append("begun")
        yield {"shared": 7}
        seen.append("ended")

    async def root(request):
        return PlainTextResponse(str(request.state.shared))

    app = Starlette(routes=[Route("/", root)], lifespan=lifespan)
    with ask(RateLimitMiddleware(app, POLICY)) as client:
        assert client.get("/").text == "7"
        assert seen == ["begun"]
    assert seen == ["begun", "ended"]


def test_other_kinds_of_scopes_are_none_of_its_business():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    scope = {"type": "custom"}
    asyncio.run(RateLimitMiddleware(app, POLICY)(scope, None, None))
    assert seen == [scope]


def test_an_apps_own_headers_of_limits_stay(ask):
    async def own(request):
        return PlainTextResponse("", headers={"ratelimit": '"mine";r=7', "x-ratelimit-limit": "70"})

    app = Starlette(routes=[Route("/limited", own)])
    policy = {**POLICY, "responses": {"headers": ["ietf", "github"]}}
    headers = ask(RateLimitMiddleware(app, policy)).get("/limited").headers
    assert '"mine";r=7' in headers["ratelimit"] and ";r=1;" in headers["ratelimit"]
    assert headers.get_list("x-ratelimit-limit") == ["70"]


def test_an_app_finds_its_requests_permit(ask):
    async def left(request):
        return PlainTextResponse(str(permit(request).balances[0].remaining))

    client = ask(RateLimitMiddleware(Starlette(routes=[Route("/limited", left)]), POLICY))
    assert [client.get("/limited").text for _ in range(2)] == ["1", "0"]


def test_an_app_settles_what_it_used(ask, clock):
    policy = {"route": [{"path": "/limited", "meter": {"items": "/n"}, "limits": ["100 items/hour"]}]}

    async def used(request):
        assert (await request.json())["n"] == 50
        await permit(request).settle_async(items=10)
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/limited", used, methods=["POST"])])
    client = ask(RateLimitMiddleware(app, limiter=Limiter(policy=policy, clock=clock)))
    told = [client.post("/limited", json={"n": 50}).headers["ratelimit"] for _ in range(3)]
    assert [int(line.split(";r=")[1].split(";")[0]) for line in told] == [50, 40, 30]


def test_a_body_that_is_not_metered_is_not_read(ask):
    """It streams: the app gets each piece as it comes."""
    pieces, order = [b"a", b"b", b"c"], []

    async def app(scope, receive, send):
        while (message := await receive())["more_body"]:
            order.append(("read", message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    left = iter([*pieces, b""])

    async def receive():
        piece = next(left)
        order.append(("came", piece))
        return {"type": "http.request", "body": piece, "more_body": piece != b""}

    async def send(message):
        pass

    asyncio.run(RateLimitMiddleware(app, POLICY)({**SCOPE, "method": "POST"}, receive, send))
    assert order == [(what, piece) for piece in pieces for what in ("came", "read")] + [("came", b"")]


def test_a_response_streams_through_as_it_comes():
    async def words():
        yield "a"
        yield "b"

    async def stream(request):
        return StreamingResponse(words())

    app = RateLimitMiddleware(Starlette(routes=[Route("/limited", stream)]), POLICY)
    sent = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    asyncio.run(app(dict(SCOPE), receive, send))
    assert [message["type"] for message in sent] == ["http.response.start"] + ["http.response.body"] * 3
    assert [message["body"] for message in sent[1:]] == [b"a", b"b", b""]


def test_an_app_that_fails_fails_as_without_it(ask):
    async def app(scope, receive, send):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ask(RateLimitMiddleware(app, POLICY)).get("/limited")


# --- proxies ---


def test_a_forwarding_header_is_believed_from_trusted_proxies_alone(ask):
    policy = {**POLICY, "gateway": {"trusted_proxies": ["10.0.0.0/8"]}}
    app = RateLimitMiddleware(bare(), policy)
    for peer, expected in (("10.1.2.3", [200] * 4), ("203.0.113.7", [200, 200, 429, 429])):
        client = ask(app, peer)
        codes = [client.get("/limited", headers={"x-forwarded-for": f"198.51.100.{number}"}).status_code for number in range(4)]
        assert codes == expected
    # What a client writes before the proxy's own entry changes nothing.
    client = ask(app, "10.1.2.3")
    spoofed = [client.get("/limited", headers={"x-forwarded-for": f"192.0.2.{number}, 198.51.100.99"}).status_code for number in range(3)]
    assert spoofed == [200, 200, 429]


def test_a_peer_without_an_address_is_limited_too(ask):
    async def app(scope, receive, send):
        scope["client"] = None
        await RateLimitMiddleware.__call__(limited, scope, receive, send)

    limited = RateLimitMiddleware(bare(), POLICY)
    client = ask(app)
    assert [client.get("/limited").status_code for _ in range(3)] == [200, 200, 429]


# --- warm-up ---


def test_limits_are_small_until_the_app_says_that_it_is_ready(clock):
    policy = {
        "warmup": {"scale": 0.2, "ready": "/ready", "ramp": "10s"},
        "route": [{"path": "/limited", "limits": [{"quota": "10/minute", "key": "global"}]}],
    }
    asked, is_ready = [], False

    async def app(scope, receive, send):
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200 if is_ready or scope["path"] != "/ready" else 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    limiter = Limiter(policy=policy, clock=clock)
    limited = RateLimitMiddleware(app, limiter=limiter)

    async def passed(times):
        codes = []

        async def send(message):
            if message["type"] == "http.response.start":
                codes.append(message["status"])

        for _ in range(times):
            await limited(dict(SCOPE), None, send)
        return codes.count(200)

    async def until(condition):
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("in time")

    async def warm_up():
        nonlocal is_ready
        assert await passed(10) == 2, "a fifth"
        await until(lambda: "/ready" in asked)
        assert limiter.warming_up == "/ready"
        is_ready = True
        await until(lambda: limiter.warming_up is None)
        clock.advance(3600)
        assert await passed(20) == 10

    asyncio.run(warm_up())


def test_a_program_can_say_itself_that_it_is_ready(ask, clock):
    policy = {"warmup": {"scale": 0.5, "ready": "/ready", "ramp": "0s"}, "defaults": {"limits": [{"quota": "4/minute", "key": "global"}]}}
    limiter = Limiter(policy=policy, clock=clock)
    client = ask(RateLimitMiddleware(bare_but_not_ready(), limiter=limiter))
    assert [client.get("/").status_code for _ in range(4)].count(200) == 2
    limiter.ready()
    assert limiter.warming_up is None
    clock.advance(60)
    assert [client.get("/").status_code for _ in range(6)].count(200) == 4


def bare_but_not_ready():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 503 if scope["path"] == "/ready" else 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app
