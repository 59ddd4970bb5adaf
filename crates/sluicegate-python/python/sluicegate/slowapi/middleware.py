"""The middleware for default and application limits."""

from ..compat.slowapi.middleware import (
    SlowAPIASGIMiddleware,
    SlowAPIMiddleware,
    _find_route_handler,
    _get_route_name,
    _should_exempt,
    async_check_limits,
    sync_check_limits,
)

__all__ = [
    "SlowAPIASGIMiddleware",
    "SlowAPIMiddleware",
    "_find_route_handler",
    "_get_route_name",
    "_should_exempt",
    "async_check_limits",
    "sync_check_limits",
]
