"""The exception handlers of an app, in the order in which Starlette looks them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.middleware.exceptions import ExceptionMiddleware


def own_handler(handlers: Mapping[Any, Any], raised: type[Exception]) -> Callable[..., Any] | None:
    """The handler that an app has for a class of exceptions, or for the next of its bases.

    None where that is what Starlette or FastAPI does by itself.
    """
    found = next((handlers[kind] for kind in raised.__mro__ if kind in handlers), None)
    return None if found is None or _is_default(found) else found


def _is_default(handler: Any) -> bool:
    if getattr(handler, "__func__", None) is ExceptionMiddleware.http_exception:
        return True
    try:
        from fastapi.exception_handlers import http_exception_handler
    except ImportError:
        return False
    return handler is http_exception_handler
