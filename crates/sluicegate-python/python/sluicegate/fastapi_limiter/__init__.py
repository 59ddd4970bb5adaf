"""Stands in for `fastapi_limiter`, 0.1.6 and 0.2.0: change the import, and the engine decides the limits of an app.

    from sluicegate.fastapi_limiter import FastAPILimiter
    from sluicegate.fastapi_limiter.depends import RateLimiter, WebSocketRateLimiter

`docs/migrating.md` says what behaves differently.
"""

from ..compat.fastapi_limiter import (
    FastAPILimiter,
    default_identifier,
    http_default_callback,
    ws_default_callback,
)

__all__ = ["FastAPILimiter", "default_identifier", "http_default_callback", "ws_default_callback"]
