"""The body of a request that a limit has to look at."""

from __future__ import annotations

from starlette.requests import HTTPConnection, Request


async def read_body(connection: HTTPConnection, limit: int) -> bytes | None:
    """The body, which the endpoint can read again; None where it is longer than the limit. A WebSocket has none."""
    if not isinstance(connection, Request):
        return b""
    if not hasattr(connection, "_body"):
        # Somebody has read it already and kept it, as FastAPI does with a form.
        if getattr(connection, "_stream_consumed", False):
            return b""
        chunks: list[bytes] = []
        length = 0
        async for chunk in connection.stream():
            length += len(chunk)
            if length > limit:
                return None
            chunks.append(chunk)
        # Where Starlette keeps a body that has been read, for whoever reads it next.
        connection._body = b"".join(chunks)
    body = await connection.body()
    return body if len(body) <= limit else None
