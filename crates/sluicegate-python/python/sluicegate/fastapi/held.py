"""How long a permit's slots are held."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache
from typing import Any

from starlette.responses import Response

from .._native import Pass


def keep_until_sent(scope: MutableMapping[str, Any], permit: Pass) -> None:
    """Gives a permit's slots back when the response has been sent, or nobody wants it any more.

    FastAPI ends what dependencies have begun on a stack that it closes then. Elsewhere the scope holds the permit until it goes,
    which a server may put off until a connection's next request; a decorated endpoint's answer gives it back before.
    """
    stack = next((scope[name] for name in _STACKS if name in scope), None)
    if stack is not None:
        stack.callback(permit.release)
    else:
        scope.setdefault(_HELD, []).append(permit)


def release(scope: MutableMapping[str, Any]) -> None:
    """Gives back what only the scope holds."""
    for permit in scope.pop(_HELD, ()):
        permit.release()


def release_when_sent(scope: MutableMapping[str, Any], answer: Any) -> None:
    """Gives back what only the scope holds, when this answer of its endpoint has been sent."""
    if _HELD not in scope:
        return
    if isinstance(answer, Response):
        answer.__class__ = _releasing(type(answer))
    else:
        release(scope)


@cache
def _releasing(kind: type[Response]) -> type[Response]:
    """A kind of response that gives back what its scope holds. It says its own kind's name, and is one of it."""
    if hasattr(kind, "releases"):
        return kind

    async def send(self: Response, scope: Any, receive: Any, send: Any) -> None:
        try:
            await kind.__call__(self, scope, receive, send)
        finally:
            release(scope)

    return type(kind.__name__, (kind,), {"__call__": send, "releases": True})


_HELD = "sluicegate.held"
# The innermost first; the last is that of WebSockets in older releases.
_STACKS = ("fastapi_inner_astack", "fastapi_middleware_astack", "fastapi_astack")
