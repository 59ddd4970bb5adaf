"""The sources of an endpoint's request and response."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response

from ..._handed import HANDED, take_handed, with_handed
from ..._signature import is_kind, parameter_of, signature_of


class Parameters:
    """The parameters of an endpoint. What it has not and the limits need, FastAPI hands over in a hidden one."""

    def __init__(
        self, function: Callable[..., Any], around: Mapping[str, Any], *, may_hide_request: bool, hide_response: bool
    ) -> None:
        """Raises `TypeError` where there is no request, and it may not be hidden."""
        own = signature_of(function, around)
        self.signature = own
        """The signature with the hidden parameters and without annotations as texts."""
        # A decorator below asks for them already, and needs them too.
        self._passes_on = HANDED in own.parameters
        self._request = _named(own, HTTPConnection, ("request", "websocket"))
        self._position = list(own.parameters).index(self._request) if self._request is not None else -1
        if self._request is None:
            if not may_hide_request and not self._passes_on:
                raise TypeError(_NO_REQUEST.format(function=function))
            self.signature = with_handed(own)
        self._own_response = parameter_of(own, Response)
        self._response = _named(own, Response, ("response",))
        if self._response is None and hide_response and not is_kind(own.return_annotation, Response):
            self.signature = with_handed(own)

    def hide(self, name: str, annotation: Any) -> None:
        """Adds a parameter that the endpoint does not see."""
        parameters = list(self.signature.parameters.values())
        hidden = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        last = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
        self.signature = self.signature.replace(parameters=[*parameters[:last], hidden, *parameters[last:]])

    def take(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], needed: bool
    ) -> tuple[HTTPConnection | None, Any]:
        """The request of a call, and what is to be its response; the hidden one is taken out of it.

        None where they are not `needed`. Raises `TypeError` where what is called the request is none.
        """
        request = None
        if self._request is not None:
            request = kwargs.get(self._request)
            if request is None and len(args) > self._position:
                request = args[self._position]
        response = None if self._response is None else kwargs.get(self._response) or _NO_RESPONSE
        handed = take_handed(kwargs, self._own_response, self._passes_on)
        if handed is not None:
            request = handed.connection if self._request is None else request
            response = handed.response if self._response is None else response
        if not needed:
            return None, None
        if not isinstance(request, HTTPConnection):
            raise TypeError("parameter `request` must be an instance of starlette.requests.Request")
        return request, response

    def drop(self, kwargs: dict[str, Any]) -> None:
        """Takes the hidden one out of a call, unless a decorator below needs it."""
        if not self._passes_on:
            kwargs.pop(HANDED, None)


def _named(signature: inspect.Signature, kind: type, names: tuple[str, ...]) -> str | None:
    """The parameter of a type, or else that of one of the names."""
    return parameter_of(signature, kind) or next((name for name in names if name in signature.parameters), None)


# Parameters that are called `response` and are not one.
_NO_RESPONSE = object()
HIDDEN_CHECK = "sluicegate_check"
_NO_REQUEST = (
    'No "request" or "websocket" argument on function "{function}". Give it one, or let FastAPI hand the request to the '
    'limiter alone: Limiter(..., request_parameter="optional")'
)
