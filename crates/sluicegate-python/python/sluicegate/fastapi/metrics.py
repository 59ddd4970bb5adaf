"""`metrics`: what the limits of this process have decided, for Prometheus and for people."""

from __future__ import annotations

from typing import Any

from .._native import exposition


class Metrics:
    """An ASGI app that tells what this process has decided.

        app.add_route("/metrics", metrics)

    It answers in Prometheus' text format, in OpenMetrics, or with `Accept: application/json` the summary
    `{"total_requests", "limited_requests", "endpoints": {PATH: {"total", "limited"}}}`. Each worker process has counts of its
    own. Keep it off the public network.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        accept = ", ".join(
            value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"accept"
        )
        content_type, text = exposition(accept)
        body = text.encode()
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


metrics = Metrics()
