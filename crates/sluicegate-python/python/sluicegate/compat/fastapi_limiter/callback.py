"""The callback of a `RateLimiter(limiter=…)` for denied requests."""

from fastapi import HTTPException
from starlette.status import HTTP_429_TOO_MANY_REQUESTS


def default_callback(*args: object, **kwargs: object) -> None:
    """Answers 429. Where a `RateLimiter` calls it, with `Retry-After`."""
    raise HTTPException(HTTP_429_TOO_MANY_REQUESTS, "Too Many Requests")
