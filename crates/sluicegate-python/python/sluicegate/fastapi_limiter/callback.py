"""The callback of a `RateLimiter(limiter=…)` for a denied request."""

from ..compat.fastapi_limiter.callback import default_callback

__all__ = ["default_callback"]
