"""Responses while the store is down and the outage policy denies all requests."""

from __future__ import annotations

from starlette.exceptions import HTTPException


def unavailable() -> HTTPException:
    """503, to be tried again in a second."""
    return HTTPException(503, "Rate limits are unavailable", headers={"Retry-After": "1"})
