"""An endpoint under a limit, which takes no parameter for it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from functools import partial, wraps
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import HTTPConnection
from starlette.responses import Response

from .._handed import HANDED, take_handed, taking_slots, with_handed
from .._native import Pass
from .._signature import is_async, is_generator, is_kind, parameter_of, signature_of
from .held import release, release_when_sent


def decorated(
    endpoint: Callable[..., Any], admit: Callable[[HTTPConnection], Awaitable[Pass | None]], around: Mapping[str, Any]
) -> Callable[..., Any]:
    """The endpoint, called when its request has been admitted. `around` has the local names where it is decorated.

    The request and the response are the endpoint's own where it has them. What it lacks FastAPI hands over through one
    parameter that it does not see; Starlette gives the request as it gives it to the endpoint.
    """
    if not callable(endpoint):
        raise TypeError(f"a RateLimit decorates a function, not {type(endpoint)}")
    name = getattr(endpoint, "__qualname__", repr(endpoint))
    if inspect.isclass(endpoint) and issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint):
        raise TypeError(f"{name} answers each method by a function of its own: decorate those")
    if is_generator(endpoint):
        raise TypeError(f"{name} yields its answer: limit it by dependencies=[Depends(RateLimit(…))]")
    call: Callable[..., Any] = endpoint if is_async(endpoint) else partial(_in_thread, endpoint)
    signature = signature_of(endpoint, around)
    # A decorator below this one asks for them already, and needs them too.
    passes_on = HANDED in signature.parameters
    own_connection, own_response = parameter_of(signature, HTTPConnection), parameter_of(signature, Response)
    makes_response = is_kind(signature.return_annotation, Response)
    if own_connection is None or (own_response is None and not makes_response):
        signature = with_handed(signature)

    @taking_slots
    @wraps(endpoint)
    async def limited(*args: Any, **kwargs: Any) -> Any:
        handed = take_handed(kwargs, own_response, passes_on)
        if handed is not None:
            connection, made = handed
        else:
            connection, made = kwargs.get(own_connection), kwargs.get(own_response)  # type: ignore[arg-type, assignment]
            if not isinstance(connection, HTTPConnection):
                connection = _connection_in(args, kwargs, name)
        permit = await admit(connection)
        try:
            answer = await call(*args, **kwargs)
        except BaseException:
            release(connection.scope)
            raise
        if permit is not None:
            if isinstance(answer, Response):
                answer = _with_lines(answer, permit)
            elif isinstance(made, Response):
                permit.add_lines(made.raw_headers)
            if permit.holds:
                release_when_sent(connection.scope, answer)
        return answer

    limited.__signature__ = signature  # type: ignore[attr-defined]
    return limited


async def _in_thread(endpoint: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    answer = await run_in_threadpool(endpoint, *args, **kwargs)
    # A decorator that is not async may stand around an endpoint that is.
    return await answer if isinstance(answer, Awaitable) else answer


def _connection_in(args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> HTTPConnection:
    for given in (*args, *kwargs.values()):
        if isinstance(given, HTTPConnection):
            return given
    raise TypeError(f"{name} is limited, and was called without a request")


def _with_lines(answer: Response, permit: Pass) -> Response:
    """The response with the lines of a permit: a copy, for an endpoint may give the same to all requests."""
    answer = copy(answer)
    answer.raw_headers = permit.applied(answer.raw_headers)
    # Starlette's view of the lines before.
    answer.__dict__.pop("_headers", None)
    return answer
