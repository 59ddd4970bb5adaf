"""Denials that reach no exception handler of the app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from ..._handlers import own_handler
from .call import settled
from .errors import RateLimitExceeded


def _rate_limit_exceeded_handler(request: HTTPConnection, exc: RateLimitExceeded) -> Response:
    """429 with `{"error": "Rate limit exceeded: 2 per 1 minute"}`, and the headers where they are enabled."""
    response = JSONResponse({"error": f"Rate limit exceeded: {exc.detail}"}, status_code=429)
    limiter = getattr(exc, "limiter", None) or request.app.state.limiter
    return limiter._inject_headers(response, getattr(request.state, "view_rate_limit", None))  # type: ignore[no-any-return]


async def answer(app: Any, request: HTTPConnection, raised: Exception) -> Response:
    """The response of the app's handler for such an exception. Without a handler, the exception is raised again."""
    handlers: dict[Any, Callable[..., Any]] = getattr(app, "exception_handlers", {})
    handler = handlers.get(raised.status_code) if isinstance(raised, HTTPException) else None
    handler = handler or own_handler(handlers, type(raised))
    if handler is not None:
        response: Response = await settled(handler(request, raised), True)
        return response
    if isinstance(raised, RateLimitExceeded):
        return _rate_limit_exceeded_handler(request, raised)
    if isinstance(raised, HTTPException):
        return JSONResponse({"detail": raised.detail}, raised.status_code, raised.headers)
    raise raised


async def refuse(websocket: WebSocket, exceeded: RateLimitExceeded) -> None:
    """Denies the handshake with a 429 where the server can do so, and with a closed connection elsewhere."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(await answer(websocket.scope.get("app"), websocket, exceeded))
    else:
        await websocket.close(_POLICY_VIOLATION, f"Rate limit exceeded: {exceeded.detail}"[:_LONGEST_REASON])


_POLICY_VIOLATION = 1008
# A frame that closes has no room for more.
_LONGEST_REASON = 120
