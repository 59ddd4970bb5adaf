"""The decorator for endpoints that a `RateLimiter` of their router or app lets pass."""

from ..compat.fastapi_limiter.decorators import skip_limiter

__all__ = ["skip_limiter"]
