"""Limits that a WebSocket's endpoint awaits."""

import pytest
from fastapi import Depends, FastAPI, HTTPException, WebSocket
from starlette.websockets import WebSocketDisconnect

from sluicegate.fastapi_limiter.depends import WebSocketRateLimiter


@pytest.fixture
def talk(serve, limiter):
    """Sends messages to an endpoint that awaits these limits for each, and gives its answers."""

    def talk(*limits, messages, contextual=True, **settings):
        app = FastAPI()

        @app.websocket("/ws")
        async def endpoint(websocket: WebSocket):
            await websocket.accept()
            while (message := await websocket.receive_text()) != "bye":
                try:
                    for limit in limits:
                        if contextual:
                            await limit(websocket, context_key=message)
                        else:
                            await limit(websocket)
                    await websocket.send_text("ok")
                except HTTPException as denial:
                    await websocket.send_text(f"{denial.status_code} {denial.headers['Retry-After']}")
            await websocket.close()

        client = serve(app, limiter, **settings)
        with client.websocket_connect("/ws") as websocket:
            answers = []
            for message in messages:
                websocket.send_text(message)
                answers.append(websocket.receive_text())
            websocket.send_text("bye")
        return answers

    return talk


def test_each_context_has_an_account_of_its_own(talk):
    limit = WebSocketRateLimiter(times=1, seconds=5)
    assert talk(limit, messages=["a", "a", "b"]) == ["ok", "429 5", "ok"]


def test_without_a_context_all_messages_share_an_account(talk):
    limit = WebSocketRateLimiter(times=1, seconds=5)
    assert talk(limit, messages=["a", "b"], contextual=False) == ["ok", "429 5"]


def test_connections_of_one_caller_share_an_account(talk):
    limit = WebSocketRateLimiter(times=1, seconds=5)
    assert talk(limit, messages=["a"]) + talk(limit, messages=["a"]) == ["ok", "429 5"]


def test_two_limits_of_one_context_are_two_accounts(talk):
    burst, daily = WebSocketRateLimiter(times=2, seconds=5), WebSocketRateLimiter(times=3, hours=24)
    assert talk(burst, daily, messages=["a", "a", "a"]) == ["ok", "ok", "429 5"]


def test_a_callback_gets_the_websocket_and_whole_milliseconds(talk):
    seen = []

    async def callback(ws, pexpire):
        seen.append((type(ws), pexpire))

    limit = WebSocketRateLimiter(times=1, seconds=5)
    assert talk(limit, messages=["a", "a"], ws_callback=callback) == ["ok", "ok"]
    assert seen == [(WebSocket, 5000)]


def test_as_a_dependency_it_limits_connections_whatever_their_url_says(serve, limiter):
    app = FastAPI()

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket, _: None = Depends(WebSocketRateLimiter(times=1, seconds=5))):
        await websocket.accept()
        await websocket.close()

    client = serve(app, limiter)
    with client.websocket_connect("/ws?context_key=a"):
        pass
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws?context_key=b"):
        pass
