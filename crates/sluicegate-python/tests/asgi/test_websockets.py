"""WebSockets: denied at the handshake, or limited message by message."""

import asyncio

import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from sluicegate import Limiter
from sluicegate.fastapi import RateLimit, RateLimitExceeded, RateLimitMiddleware


def dependency(limit):
    app = FastAPI()

    @app.websocket("/ws", dependencies=[Depends(limit)])
    async def ws(socket: WebSocket):
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    return app


def router(limit):
    app = FastAPI(dependencies=[Depends(limit)])

    @app.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    return app


def decorated(limit):
    app = FastAPI()

    @app.websocket("/ws")
    @limit
    async def ws(socket: WebSocket):
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    return app


def starlette(limit):
    @limit
    async def ws(socket):
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    return Starlette(routes=[WebSocketRoute("/ws", ws)])


@pytest.mark.parametrize("build", [dependency, router, decorated, starlette])
def test_a_handshake_is_limited_and_denied_as_a_request_is(build, limiter, ask, clock):
    client = ask(build(RateLimit("1/minute", limiter=limiter)))
    with client.websocket_connect("/ws") as socket:
        assert socket.receive_text() == "hello"
    with pytest.raises(WebSocketDenialResponse) as denied:
        client.websocket_connect("/ws").__enter__()
    assert denied.value.status_code == 429
    assert denied.value.headers["retry-after"] == "60"
    assert denied.value.headers["content-type"] == "application/problem+json"
    assert denied.value.json()["error"]["code"] == "rate_limit_exceeded"
    clock.advance(60)
    with client.websocket_connect("/ws") as socket:
        assert socket.receive_text() == "hello"


def test_messages_are_limited_one_by_one(limiter, ask, clock):
    app = FastAPI()
    limit = RateLimit("2/minute", limiter=limiter)

    @app.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        async for message in socket.iter_text():
            try:
                await limit.permit(socket)
            except RateLimitExceeded as exceeded:
                await socket.send_text(f"wait {exceeded.retry_after:.0f}")
            else:
                await socket.send_text(message)

    with ask(app).websocket_connect("/ws") as socket:
        def say(word):
            socket.send_text(word)
            return socket.receive_text()

        assert [say("a"), say("b"), say("c")] == ["a", "b", "wait 30"]
        clock.advance(30)
        assert say("d") == "d"


def test_a_message_too_many_that_nobody_catches_closes_the_socket(limiter, ask):
    app = FastAPI()
    limit = RateLimit("1/minute", limiter=limiter)

    @app.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        while True:
            await socket.receive_text()
            await limit.permit(socket)
            await socket.send_text("passed")

    with ask(app).websocket_connect("/ws") as socket:
        socket.send_text("a")
        assert socket.receive_text() == "passed"
        socket.send_text("b")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1013


def test_a_socket_holds_its_slot_until_it_is_closed(ask):
    limit = RateLimit("1 concurrent", limiter=Limiter())
    app = FastAPI()

    @app.websocket("/ws", dependencies=[Depends(limit)])
    async def ws(socket: WebSocket):
        await socket.accept()
        await socket.receive_text()

    client = ask(app)
    with client.websocket_connect("/ws") as first:
        with pytest.raises(WebSocketDenialResponse):
            client.websocket_connect("/ws").__enter__()
        first.send_text("done")
    with client.websocket_connect("/ws") as second:
        second.send_text("done")


def test_the_middleware_lets_a_socket_pass_untouched_and_denies_its_handshake(ask, clock):
    policy = {"route": [{"path": "/ws", "limits": ["1/minute"]}]}
    inner = FastAPI()

    @inner.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        async for message in socket.iter_text():
            await socket.send_text(message)

    client = ask(RateLimitMiddleware(inner, limiter=Limiter(policy=policy, clock=clock)))
    with client.websocket_connect("/ws") as socket:
        for number in range(20):
            socket.send_text(str(number))
            assert socket.receive_text() == str(number)
        assert any(name == b"ratelimit" for name, _ in socket.extra_headers)
    with pytest.raises(WebSocketDenialResponse) as denied:
        client.websocket_connect("/ws").__enter__()
    assert denied.value.status_code == 429
    assert denied.value.headers["retry-after"] == "60"


def test_a_server_that_cannot_deny_with_a_response_closes(limiter):
    """Without the extension that carries one, as the ASGI specification has it."""
    sent = []
    app = dependency(RateLimit("1/minute", limiter=limiter))
    scope = {
        "type": "websocket",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("203.0.113.7", 50000),
        "subprotocols": [],
        "extensions": {},
    }

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    for _ in range(2):
        sent.clear()
        asyncio.run(app(dict(scope), receive, send))
    assert sent == [{"type": "websocket.close", "code": 1013, "reason": "Too Many Requests"}]
