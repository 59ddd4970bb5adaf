"""Endpoints that a `RateLimiter` of their router or app lets pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def skip_limiter(func: Endpoint) -> Endpoint:
    """Frees an endpoint, sync or async, of every `RateLimiter` around it: below the decorator that makes it a route."""
    try:
        func._skip_limiter = True  # type: ignore[attr-defined]
    except AttributeError:
        # A bound method or a built-in takes no mark.
        func = partial(func)  # type: ignore[assignment]
        func._skip_limiter = True  # type: ignore[attr-defined]
    return func
