"""`RateLimitExceeded`: what a route raises instead of being served."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from .._decisions import TRY_AGAIN_LATER, answered
from .._handlers import own_handler
from .._native import Answer

try:
    # A handler of an app may be for this class alone.
    from fastapi import HTTPException
except ImportError:
    from starlette.exceptions import HTTPException  # type: ignore[assignment]


class RateLimitExceeded(HTTPException):
    """A request may not pass: a limit is spent, or it is refused for another reason (401, 403, 413, …).

    Without a handler of the app's, for 429, this class or `HTTPException`, the client gets the `answer` that the gateway would
    give. A handler of your own:

        @app.exception_handler(RateLimitExceeded)
        async def slow_down(request, exc):
            return JSONResponse({"slow down": exc.retry_after}, 429, headers=exc.headers)
    """

    def __init__(self, answer: Answer) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
        # They are about our body, not about one that a handler makes.
        for name in ("content-type", "content-length"):
            headers.pop(name, None)
        super().__init__(status_code=answer.status, detail=_detail(answer), headers=headers)
        self.answer = answer

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request passes; None where waiting alone does not help."""
        return self.answer.retry_after


def _detail(answer: Answer) -> str:
    """The message of an answer, in whichever interface's form it is."""
    if not answer.body:
        # gRPC has it in a header field.
        return answer.code
    document = json.loads(answer.body)
    error = document["error"]
    return str(document.get("detail") or (error["message"] if isinstance(error, dict) else error))


class _Answer(Response):
    """An answer that is sent as it is, also to a WebSocket that is not accepted yet."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(status_code=answer.status)
        self._answer = answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await answered(self._answer, scope, send)


async def _answer(connection: HTTPConnection, exceeded: Exception) -> Response | None:
    assert isinstance(exceeded, RateLimitExceeded)
    response = _Answer(exceeded.answer)
    if connection.scope["type"] == "http":
        return response
    # A WebSocket's handler sends by itself.
    assert isinstance(connection, WebSocket)
    if connection.application_state is WebSocketState.CONNECTING and "websocket.http.response" in connection.scope.get(
        "extensions", ()
    ):
        await connection.send_denial_response(response)
    else:
        await connection.close(code=TRY_AGAIN_LATER, reason="Too Many Requests")
    return None


def answer_by_default(scope: Any) -> None:
    """Lets the app that serves this scope answer as the gateway does, unless it has a handler of its own."""
    handlers = scope.get("starlette.exception_handlers")
    if handlers is not None and own_handler(handlers[0], RateLimitExceeded) is None:
        handlers[0][RateLimitExceeded] = _answer
