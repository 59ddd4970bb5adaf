"""The dependencies that limit requests and messages of WebSockets."""

from ..compat.fastapi_limiter.depends import RateLimiter, WebSocketRateLimiter

__all__ = ["RateLimiter", "WebSocketRateLimiter"]
