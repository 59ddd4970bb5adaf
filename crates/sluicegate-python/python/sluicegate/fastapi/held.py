"""The time for which a permit's slots are held."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import MutableMapping
from functools import cache, partial
from typing import Any

from starlette.responses import Response

from .._native import Pass


def keep_until_sent(scope: MutableMapping[str, Any], permit: Pass) -> None:
    """Gives a permit's slots back when the response has been sent, or the client has gone.

    FastAPI ends what dependencies have begun on a stack that it closes then. Elsewhere the scope holds the permit until it goes,
    which a server may put off until a connection's next request; a decorated endpoint's answer, and the end of the request's
    task, give it back before.
    """
    stack = next((scope[name] for name in _STACKS if name in scope), None)
    if stack is not None:
        stack.callback(permit.release)
    else:
        scope.setdefault(_HELD, _Permits()).append(permit)


def release_with_task(scope: MutableMapping[str, Any]) -> None:
    """Gives back what only the scope holds, when the task ends in which a server runs the request."""
    held = scope.get(_HELD)
    if held is None:
        return
    # Other loops than asyncio's have no such task.
    with contextlib.suppress(RuntimeError):
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(partial(_release_all, weakref.ref(held)))


def release(scope: MutableMapping[str, Any]) -> None:
    """Gives back what only the scope holds."""
    for permit in scope.pop(_HELD, ()):
        permit.release()


def release_when_sent(scope: MutableMapping[str, Any], answer: Any) -> None:
    """Gives back what only the scope holds, when this answer of its endpoint has been sent."""
    if _HELD not in scope:
        return
    if isinstance(answer, Response):
        kind: Any = type(answer)
        answer.__class__ = _releasing(kind)
    else:
        release(scope)


class _Permits(list[Pass]):
    """The permits of a scope. Nothing else refers to them, so they live as long as the scope."""


def _release_all(held: weakref.ref[_Permits], _task: Any) -> None:
    for permit in held() or ():
        permit.release()


@cache
def _releasing(kind: Any) -> Any:
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
