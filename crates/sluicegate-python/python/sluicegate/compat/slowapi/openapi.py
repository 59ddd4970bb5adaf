"""The 429 of slowapi's limits, for FastAPI's description of an app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._handlers import own_handler
from ..._openapi import header, response
from .errors import RateLimitExceeded
from .refusal import _rate_limit_exceeded_handler

if TYPE_CHECKING:
    from .extension import Limiter


def described(limiter: Limiter, app: Any) -> dict[str, Any]:
    """The description of the response from the app's handler for denials. A handler of the app's own is not
    described."""
    handlers = getattr(app, "exception_handlers", {})
    handler = handlers.get(429) or own_handler(handlers, RateLimitExceeded)
    if handler not in (None, _rate_limit_exceeded_handler):
        return response("Too Many Requests", {}, None, {})
    name = "error" if handler is not None else "detail"
    headers = {}
    if limiter._headers_enabled and handler is not None:
        headers = {field: header("Told of the limit that denied.") for field in limiter._header_mapping.values()}
    schema = {"type": "object", "required": [name], "properties": {name: {"type": "string"}}}
    return response("Too Many Requests", headers, "application/json", schema)
