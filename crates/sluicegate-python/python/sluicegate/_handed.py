"""The request and the response that FastAPI hands to a decorator."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, NamedTuple

from starlette.requests import HTTPConnection
from starlette.responses import Response

HANDED = "sluicegate_handed"
"""The parameter by which a decorator gets them."""


class Handed(NamedTuple):
    """What FastAPI hands over. The lines of the response are added to the one that it makes."""

    connection: HTTPConnection
    response: Response


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


async def _handed(connection: HTTPConnection, response: Response) -> Handed:
    return Handed(connection, response)


# Older releases of FastAPI look texts up in another module.
_handed.__annotations__ = {"connection": HTTPConnection, "response": Response}
