"""The request and the response that FastAPI hands to a decorator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Annotated, Any, NamedTuple, TypeVar

from starlette.requests import HTTPConnection
from starlette.responses import Response

from ._route import route_of

F = TypeVar("F", bound=Callable[..., Any])

HANDED = "sluicegate_handed"
"""The parameter by which a decorator gets them."""


class Handed(NamedTuple):
    """The objects from FastAPI. The lines of the response are added to the one that FastAPI makes."""

    connection: HTTPConnection
    response: Response | None


def with_handed(signature: inspect.Signature) -> inspect.Signature:
    """The signature with the hidden parameter, unless a decorator below has added it; unchanged without FastAPI.

    FastAPI fills one parameter of each of its special types, so a parameter of such a type would take the place of the
    endpoint's own or another decorator's. A dependency has its own.
    """
    try:
        from fastapi import Depends
    except ImportError:
        return signature
    if HANDED in signature.parameters:
        return signature
    parameters = list(signature.parameters.values())
    hidden = inspect.Parameter(
        HANDED, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[Any, Depends(_handed)], default=None
    )
    # `**rest` comes last.
    last = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
    return signature.replace(parameters=[*parameters[:last], hidden, *parameters[last:]])


def taking_slots(wrapper: F) -> F:
    """Lets FastAPI fill its own slots for a decorator's wrapper where no other decorator stands above it.

    A dependency costs FastAPI more than the limit itself, a slot next to nothing. The route's first request tells which
    slots the endpoint and all of its decorators leave free: from the second on they replace the dependency. The wrapper
    gets its call's arguments through `take_handed`, and every parameter of the endpoint's own by its name.
    """
    # `functools.wraps` copies the mark to what others make of the wrapper, so it tells whose it is.
    setattr(wrapper, _TAKES_SLOTS, wrapper)
    return wrapper


def take_handed(kwargs: dict[str, Any], response: str | None, passes_on: bool) -> Handed | None:
    """Takes what FastAPI hands over out of a call, unless it `passes_on` to a decorator below; None where it hands nothing over.

    `response` is the parameter of the endpoint's own, which has the slot where there is one.
    """
    handed, made = kwargs.pop(HANDED, None), kwargs.pop(_RESPONSE, None)
    if handed is None:
        return None
    if not isinstance(handed, Handed):
        handed = Handed(handed, made if response is None else kwargs.get(response))
    if passes_on:
        kwargs[HANDED] = handed
    return handed


async def _handed(connection: HTTPConnection, response: Response) -> Handed:
    _fill_slots(connection.scope)
    return Handed(connection, response)


# Older releases of FastAPI look texts up in another module.
_handed.__annotations__ = {"connection": HTTPConnection, "response": Response}


def _fill_slots(scope: MutableMapping[str, Any]) -> None:
    # A release of FastAPI that keeps its slots elsewhere goes on with the dependency.
    with suppress(AttributeError):
        dependant: Any = route_of(scope).dependant  # type: ignore[union-attr]
        if getattr(dependant.call, _TAKES_SLOTS, None) is not dependant.call:
            return
        others = [dependency for dependency in dependant.dependencies if dependency.call is not _handed]
        slots = ("http_connection_param_name", _SLOTS[scope["type"]])
        free = next((slot for slot in slots if getattr(dependant, slot) is None), None)
        if free is None or len(others) == len(dependant.dependencies):
            return
        # Requests that are under way may see any part of this: the dependency goes last, and from a list of its own.
        if dependant.response_param_name is None:
            dependant.response_param_name = _RESPONSE
        setattr(dependant, free, HANDED)
        dependant.dependencies = others


_SLOTS = {"http": "request_param_name", "websocket": "websocket_param_name"}
_RESPONSE = "sluicegate_response"
"""The name of the response that comes by a slot. No signature has it: only a wrapper that FastAPI calls itself gets it."""
_TAKES_SLOTS = "__sluicegate_takes_slots__"
