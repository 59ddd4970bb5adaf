"""Signatures of endpoints, with annotations that are texts read where Python itself would look their names up."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any


def signature_of(function: Callable[..., Any], around: Mapping[str, Any]) -> inspect.Signature:
    """The signature of anything that is called: a function, a partial, an object, a class, or what decorators made of them.

    FastAPI looks names up in the module of the function that it is given, which is a wrapper's here. `around` has the local
    names where the function was decorated, such as models that a function defines. A text that nobody can read stays one.
    """
    signature = inspect.signature(function)
    home, names = _names_of(function)
    names = {**around, **names}

    def read(annotation: Any) -> Any:
        return _read(annotation, home, names) if isinstance(annotation, str) else annotation

    parameters = [
        parameter.replace(annotation=read(parameter.annotation)) for parameter in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters, return_annotation=read(signature.return_annotation))


def is_async(function: Callable[..., Any]) -> bool:
    """Returns `True` if a call gives what is to be awaited: of a function, a partial of one, or an object that is called."""
    while isinstance(function, functools.partial):
        function = function.func
    call = None if inspect.isclass(function) else getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def is_generator(function: Callable[..., Any]) -> bool:
    """Returns `True` if a function, or what decorators made of one, yields its answer."""
    function = _function_of(function)
    return inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)


def parameter_of(signature: inspect.Signature, kind: type) -> str | None:
    """The first parameter of a type, or of one that is made of it."""
    return next((name for name, parameter in signature.parameters.items() if is_kind(parameter.annotation, kind)), None)


def is_kind(annotation: Any, kind: type) -> bool:
    """Returns `True` if an annotation names a type, or one that is made of it."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return isinstance(annotation, type) and issubclass(annotation, kind)


def _names_of(function: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names of a function's module, and those of the functions around it that it uses."""
    function = _function_of(function)
    if inspect.isclass(function):
        return vars(sys.modules[function.__module__]), {}
    names = getattr(function, "__globals__", {})
    return names, dict(inspect.getclosurevars(function).nonlocals) if inspect.isfunction(function) else {}


def _function_of(called: Any) -> Any:
    """The function inside methods, partials, other decorators and objects that are called; a class is itself."""
    while True:
        inner = inspect.unwrap(called)
        if isinstance(inner, functools.partial):
            inner = inner.func
        elif inspect.ismethod(inner):
            inner = inner.__func__
        elif not inspect.isroutine(inner) and not inspect.isclass(inner):
            inner = type(inner).__call__
        if inner is called:
            return called
        called = inner


def _read(text: str, home: dict[str, Any], names: dict[str, Any]) -> Any:
    if text == "None":
        return None
    # Texts within texts are read too, as in "list['Item']".
    stand_in = SimpleNamespace(__annotations__={"read": text})
    try:
        return typing.get_type_hints(stand_in, home, names, include_extras=True)["read"]
    except Exception:
        return text
