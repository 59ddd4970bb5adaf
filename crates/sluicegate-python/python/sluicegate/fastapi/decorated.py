"""An endpoint under a limit, which takes no parameter for it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from copy import copy
from functools import partial, wraps
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response

from .._native import Pass
from .held import release, release_when_sent


def decorated(
    endpoint: Callable[..., Any], admit: Callable[[HTTPConnection], Awaitable[Pass | None]]
) -> Callable[..., Any]:
    """The endpoint, called when its request has been admitted.

    FastAPI gives it the request and the response through parameters that the endpoint does not see; Starlette gives it the
    request as it gives it to the endpoint.
    """
    if not callable(endpoint):
        raise TypeError(f"a RateLimit decorates a function, not {type(endpoint)}")
    name = getattr(endpoint, "__qualname__", repr(endpoint))
    if _gives_one_by_one(endpoint):
        raise TypeError(f"{name} yields its answer: limit it by dependencies=[Depends(RateLimit(…))]")
    call = endpoint if _is_async(endpoint) else partial(run_in_threadpool, endpoint)
    signature = inspect.signature(endpoint)
    # A limit below this one asks for both already, and needs them too.
    is_limited = _CONNECTION in signature.parameters

    @wraps(endpoint)
    async def limited(*args: Any, **kwargs: Any) -> Any:
        connection = kwargs.pop(_CONNECTION, None)
        made = kwargs.pop(_RESPONSE, None)
        if connection is None:
            connection = next((given for given in args if isinstance(given, HTTPConnection)), None)
            if connection is None:
                raise TypeError(f"{name} is limited, and was called without a request")
        elif is_limited:
            kwargs[_CONNECTION], kwargs[_RESPONSE] = connection, made
        permit = await admit(connection)
        try:
            answer = await call(*args, **kwargs)
        except BaseException:
            release(connection.scope)
            raise
        if permit is not None:
            if isinstance(answer, Response):
                answer = _with_lines(answer, permit)
            elif made is not None:
                made.raw_headers.extend(permit.lines)
            if permit.holds:
                release_when_sent(connection.scope, answer)
        return answer

    if not is_limited:
        limited.__signature__ = _with_connection(signature)  # type: ignore[attr-defined]
    return limited


def _is_async(endpoint: Callable[..., Any]) -> bool:
    # A function, or an object that is called as one.
    call = None if inspect.isclass(endpoint) else getattr(endpoint, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(endpoint) or inspect.iscoroutinefunction(call)


def _gives_one_by_one(endpoint: Callable[..., Any]) -> bool:
    function = inspect.unwrap(endpoint)
    return inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)


def _with_lines(answer: Response, permit: Pass) -> Response:
    """The response with the lines of a permit: a copy, for an endpoint may give the same to all requests."""
    answer = copy(answer)
    answer.raw_headers = permit.applied(answer.raw_headers)
    # Starlette's view of the lines before.
    answer.__dict__.pop("_headers", None)
    return answer


def _with_connection(signature: inspect.Signature) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    keyword = inspect.Parameter.KEYWORD_ONLY
    ours = [
        inspect.Parameter(_CONNECTION, keyword, annotation=HTTPConnection),
        inspect.Parameter(_RESPONSE, keyword, annotation=Response, default=None),
    ]
    # `**rest` comes last.
    rest = [parameter for parameter in parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD]
    return signature.replace(parameters=[p for p in parameters if p not in rest] + ours + rest)


_CONNECTION = "sluicegate_connection"
_RESPONSE = "sluicegate_response"
