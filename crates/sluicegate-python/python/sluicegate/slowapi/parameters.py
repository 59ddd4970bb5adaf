"""Where an endpoint gets its request and its response from."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response


class Parameters:
    """The parameters of an endpoint. Those that it has not and the limits need, FastAPI hands over in hidden ones."""

    def __init__(self, function: Callable[..., Any], *, may_hide_request: bool, hide_response: bool) -> None:
        """Raises `TypeError` where there is no request, and it may not be hidden."""
        self.signature: inspect.Signature | None = None
        """The signature with the hidden parameters and without annotations as texts; None where that changes nothing."""
        self._function = function
        self._own = _resolved(function)
        self._hidden: list[str] = []
        if self._own != inspect.signature(function):
            self.signature = self._own
        names = list(self._own.parameters)
        self._request = self._named(HTTPConnection, ("request", "websocket"))
        self._position = names.index(self._request) if self._request is not None else -1
        if self._request is None:
            if not may_hide_request:
                raise TypeError(_NO_REQUEST.format(function=function))
            self.hide(HIDDEN_REQUEST, HTTPConnection)
        self._response = self._named(Response, ("response",))
        if self._response is None and hide_response and not _is(self._own.return_annotation, Response):
            self.hide(HIDDEN_RESPONSE, Response)

    def hide(self, name: str, annotation: Any) -> None:
        """Adds a parameter that the endpoint does not see."""
        signature = self.signature or self._own
        parameters = list(signature.parameters.values())
        hidden = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        last = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
        self.signature = signature.replace(parameters=[*parameters[:last], hidden, *parameters[last:]])
        self._hidden.append(name)

    def take(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], needed: bool
    ) -> tuple[HTTPConnection | None, Any]:
        """The request of a call, and what is to be its response; the hidden ones are taken out of it.

        None where they are not `needed`. Raises `TypeError` where what is called the request is none.
        """
        request = None
        if self._request is not None:
            request = kwargs.get(self._request)
            if request is None and len(args) > self._position:
                request = args[self._position]
        response = None if self._response is None else kwargs.get(self._response) or _NO_RESPONSE
        if self._hidden:
            request = kwargs.pop(HIDDEN_REQUEST, request)
            response = kwargs.pop(HIDDEN_RESPONSE, response)
        if not needed:
            return None, None
        if not isinstance(request, HTTPConnection):
            raise TypeError("parameter `request` must be an instance of starlette.requests.Request")
        return request, response

    def drop(self, kwargs: dict[str, Any]) -> None:
        """Takes the hidden ones out of a call."""
        for name in self._hidden:
            kwargs.pop(name, None)

    def _named(self, kind: type, names: tuple[str, ...]) -> str | None:
        """The parameter of a type, or else that of one of the names."""
        parameters = self._own.parameters
        typed = (name for name, parameter in parameters.items() if _is(parameter.annotation, kind))
        return next(typed, None) or next((name for name in names if name in parameters), None)


def _resolved(function: Callable[..., Any]) -> inspect.Signature:
    """Its signature. Annotations that are texts are read in its own module: older FastAPIs look in that of the wrapper."""
    signature = inspect.signature(function)
    names = getattr(inspect.unwrap(function), "__globals__", {})

    def read(annotation: Any) -> Any:
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, names)  # noqa: S307: it is the endpoint's own code
        except Exception:
            return annotation

    parameters = [
        parameter.replace(annotation=read(parameter.annotation)) if isinstance(parameter.annotation, str) else parameter
        for parameter in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters, return_annotation=read(signature.return_annotation))


def _is(annotation: Any, kind: type) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return isinstance(annotation, type) and issubclass(annotation, kind)


HIDDEN_REQUEST = "sluicegate_request"
HIDDEN_RESPONSE = "sluicegate_response"
HIDDEN_CHECK = "sluicegate_check"
# What is called the response, and is none.
_NO_RESPONSE = object()
_NO_REQUEST = (
    'No "request" or "websocket" argument on function "{function}". Give it one, or let FastAPI hand the request to the '
    'limiter alone: Limiter(..., request_parameter="optional")'
)
