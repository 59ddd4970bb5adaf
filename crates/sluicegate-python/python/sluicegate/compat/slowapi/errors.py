"""The exceptions for requests that are not admitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from .wrappers import Limit

if TYPE_CHECKING:
    from .extension import Limiter


class RateLimitExceeded(HTTPException):
    """A request may not pass: 429. `limit` says which limit denied it; of several, the one with the longest wait."""

    limit: Limit
    limiter: Limiter | None = None
    """Whose limit it is."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        message = limit.error_message
        if callable(message):
            message = message()
        super().__init__(status_code=429, detail=message or str(limit.limit))
