"""Calls of what users give: functions of the request or of nothing, sync or async."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio.from_thread
from starlette.requests import HTTPConnection

T = TypeVar("T")
OfRequest = Callable[[HTTPConnection], Any]


def of_request(function: Callable[..., Any], *, alone: bool = False) -> OfRequest:
    """`function`, which is given the request where it has a place for it.

    That is a parameter called `request`, or one that must be given; with `alone`, also the only one there is.
    """
    parameters = parameters_of(function)
    named = next((parameter for parameter in parameters if parameter.name == "request"), None)
    if named is not None and (named is not parameters[0] or named.kind is inspect.Parameter.KEYWORD_ONLY):
        return lambda request: function(request=request)
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    required = any(parameter.default is parameter.empty for parameter in positional)
    if named is not None or required or (alone and len(parameters) == 1):
        return function
    return lambda request: function()


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function; none of one that does not tell, such as some built-ins."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


async def settled(value: Any, awaits: bool) -> Any:
    """The result of a call: awaited if necessary, by this coroutine or, unless it `awaits`, by another."""
    if not inspect.isawaitable(value):
        return value
    return await value if awaits else _waited_for(value)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]
    work.close()
    raise RuntimeError(_NOBODY_WAITS)


class Done:
    """The outcome of what has been done already, for callers that await it and for those that do not."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __await__(self) -> Any:
        return iter(())


class Count(int):
    """A number, for callers that await it and for those that do not."""

    def __await__(self) -> Any:
        return _itself(int(self)).__await__()


def _waited_for(value: Awaitable[T]) -> T:
    """In a worker thread of an event loop, that loop waits; in another thread, a loop of its own.

    Where an event loop runs in this very thread nobody can wait, which matters if there is something to wait for.
    """
    work = _awaiting(value)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return at_once(work)
    try:
        return anyio.from_thread.run(lambda: work)
    except RuntimeError:
        # This thread belongs to no event loop, unless the work has begun: then the error is its own.
        if inspect.getcoroutinestate(work) != inspect.CORO_CREATED:
            raise
    return asyncio.run(work)


async def _awaiting(value: Awaitable[T]) -> T:
    return await value


async def _itself(value: int) -> int:
    return value


_NOBODY_WAITS = (
    "an async key function, cost or exemption cannot be waited for here: let the decorator or the middleware check the request"
)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
