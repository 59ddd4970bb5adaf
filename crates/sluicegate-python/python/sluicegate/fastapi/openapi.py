"""The problem document of a denial, as OpenAPI has it."""

from __future__ import annotations

from typing import Any

from .._handlers import own_handler
from .._openapi import header, response


def problem_429(app: Any, raised: type[Exception] | None = None) -> dict[str, Any]:
    """The 429 of a limit. Where an app has a handler for what is `raised`, its body is the handler's."""
    handlers = getattr(app, "exception_handlers", {})
    own = raised is not None and (429 in handlers or own_handler(handlers, raised) is not None)
    return response(_DESCRIPTION, _HEADERS, None if own else "application/problem+json", _PROBLEM)


_DESCRIPTION = "Too Many Requests"
_HEADERS = {
    "Retry-After": header("Seconds to wait. Missing where waiting does not help.", "integer"),
    "RateLimit": header("What is left of each limit, by draft-ietf-httpapi-ratelimit-headers."),
    "RateLimit-Policy": header("The limits, by draft-ietf-httpapi-ratelimit-headers."),
}
_PROBLEM = {
    "title": "RateLimitProblem",
    "description": "A problem document (RFC 9457), with an `error` for clients of OpenAI and Anthropic.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "error", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "violated-policies": {"type": "array", "items": {"type": "string"}},
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"description": "Always null."},
                "code": {"type": "string"},
            },
        },
        "request_id": {"type": "string"},
    },
}
