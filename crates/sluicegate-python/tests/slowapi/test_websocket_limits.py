"""WebSockets whose endpoints have decorators."""

import pytest
from fastapi import WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from sluicegate.slowapi.errors import RateLimitExceeded


def chat(build, **settings):
    app, limiter = build(headers_enabled=True, **settings)

    @app.websocket("/ws/{room}")
    @limiter.limit("1/minute")
    async def talk(websocket: WebSocket, room: str):
        await websocket.accept()
        await websocket.send_text(room)
        await websocket.close()

    return app, limiter


def test_a_handshake_over_the_limit_is_answered_429(build):
    app, limiter = chat(build)
    client = TestClient(app)
    with client.websocket_connect("/ws/a") as socket:
        assert socket.receive_text() == "a"
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/ws/a"):
        pass
    assert (denied.value.status_code, denied.value.json()) == (429, {"error": "Rate limit exceeded: 1 per 1 minute"})
    assert denied.value.headers["X-RateLimit-Remaining"] == "0"
    assert limiter._storage.get("LIMITER/testclient//ws/a/1/1/minute") == 2


def test_the_apps_handler_answers_it(build):
    from starlette.responses import JSONResponse

    app, _ = chat(build, middleware=None)

    @app.exception_handler(RateLimitExceeded)
    async def refuse(connection, exc):
        return JSONResponse({"mine": exc.detail}, status_code=418)

    client = TestClient(app)
    with client.websocket_connect("/ws/a"):
        pass
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/ws/a"):
        pass
    assert (denied.value.status_code, denied.value.json()) == (418, {"mine": "1 per 1 minute"})


def test_where_the_server_cannot_answer_the_connection_is_closed(build):
    app, _ = chat(build)

    async def old_server(scope, receive, send):
        await app({**scope, "extensions": {}} if scope["type"] == "websocket" else scope, receive, send)

    client = TestClient(old_server)
    with client.websocket_connect("/ws/a"):
        pass
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/ws/a"):
        pass
    assert (closed.value.code, closed.value.reason) == (1008, "Rate limit exceeded: 1 per 1 minute")


def test_it_needs_no_parameter_where_that_may_be_hidden(build):
    app, limiter = build(request_parameter="optional")

    @app.websocket("/")
    @limiter.limit("0/minute")
    async def talk():
        raise AssertionError("it is denied before")

    with pytest.raises(WebSocketDenialResponse), TestClient(app).websocket_connect("/"):
        pass
