"""The error that denies a request."""

from ..compat.slowapi.errors import RateLimitExceeded

__all__ = ["RateLimitExceeded"]
