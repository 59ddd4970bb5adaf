"""The body of a request that a limit has to look at."""

from __future__ import annotations

from typing import Any

from starlette.requests import ClientDisconnect, HTTPConnection, Request

from .._native import Visit


async def read_body(connection: HTTPConnection, visit: Visit) -> None:
    """Lets a visit read as much of the body as it needs; the endpoint can read it all again. A WebSocket has none."""
    if not isinstance(connection, Request):
        visit.take(b"", True)
    elif hasattr(connection, "_body"):
        visit.take(connection._body, True)
    elif getattr(connection, "_stream_consumed", False):
        # It has been read already. FastAPI does so with a form, and keeps the fields.
        form = getattr(connection, "_form", None)
        if form is None:
            visit.take(b"", True)
        else:
            visit.take_fields([(name, text) for name, text in form.multi_items() if isinstance(text, str)])
    else:
        await _read(connection, visit)


async def _read(request: Request, visit: Visit) -> None:
    receive = request._receive
    messages: list[Any] = []
    is_enough = is_last = False
    while not is_enough:
        message = await receive()
        if message["type"] == "http.disconnect":
            request._is_disconnected = True
            raise ClientDisconnect
        messages.append(message)
        is_last = not message.get("more_body", False)
        is_enough = visit.take(message.get("body", b""), is_last)
    if is_last:
        # Starlette keeps a body that has been read here, for the next reader.
        request._body = b"".join(message.get("body", b"") for message in messages)
        request._stream_consumed = True
        return

    async def received() -> Any:
        return messages.pop(0) if messages else await receive()

    request._receive = received
