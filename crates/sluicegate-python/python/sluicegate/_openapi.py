"""The 429 of limited endpoints in the description that FastAPI makes of an app.

Limits describe their own 429: a dependency and a middleware by `describe_429`, a decorated endpoint by the describers in its
attribute `DESCRIBED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, wraps
from typing import Any, TypeAlias

from ._route import dependencies_of

Describe: TypeAlias = "Callable[[Any, Any], dict[str, Any] | None]"
"""Of an app and a route: a response as OpenAPI has it, or None where nothing is denied."""

DESCRIBED = "__sluicegate_429__"
"""The attribute of an endpoint. `functools.wraps` copies it to what decorators of others make of one."""


@cache
def describe_limits() -> None:
    """Lets every FastAPI of the process describe its limits, unless it describes itself in its own way."""
    try:
        from fastapi import FastAPI
    except ImportError:
        return
    describe = FastAPI.openapi

    @wraps(describe)
    def openapi(self: Any) -> dict[str, Any]:
        schema = describe(self)
        # FastAPI gives the same one until a route is added.
        if vars(self).get(_DONE) is not schema:
            _add_to(schema, self)
            vars(self)[_DONE] = schema
        return schema

    FastAPI.openapi = openapi  # type: ignore[method-assign]


def described_by(endpoint: Any, describe: Describe) -> None:
    """Lets an endpoint that a decorator has made describe its limit, too."""
    setattr(endpoint, DESCRIBED, (describe, *getattr(endpoint, DESCRIBED, ())))


def response(description: str, headers: dict[str, Any], kind: str | None, schema: dict[str, Any]) -> dict[str, Any]:
    """A response as OpenAPI has it; without a `kind` of content its body is the app's own matter."""
    told: dict[str, Any] = {"description": description}
    if headers:
        told["headers"] = headers
    if kind is not None:
        told["content"] = {kind: {"schema": schema}}
    return told


def header(description: str, kind: str = "string") -> dict[str, Any]:
    """A header field as OpenAPI has it."""
    return {"description": description, "schema": {"type": kind}}


def _add_to(schema: dict[str, Any], app: Any) -> None:
    for route in _routes(app.routes):
        operations = schema.get("paths", {}).get(getattr(route, "path_format", None), {})
        for method in getattr(route, "methods", None) or ():
            operation = operations.get(method.lower())
            if operation is None:
                continue
            responses = operation.setdefault("responses", {})
            # The endpoint's own description stays.
            if "429" in responses or "4XX" in responses:
                continue
            told = next(filter(None, _described(app, route, method)), None)
            if told is not None:
                responses["429"] = told


def _described(app: Any, route: Any, method: str) -> Iterator[dict[str, Any] | None]:
    """The middlewares first, for what they deny comes no further; then dependencies, and the endpoint's decorators."""
    for middleware in getattr(app, "user_middleware", ()):
        describe = getattr(middleware.cls, "describe_429", None)
        if describe is not None:
            yield describe(app, route, method, *middleware.args, **middleware.kwargs)
    for call in dependencies_of(route):
        describe = getattr(type(call), "describe_429", None)
        if describe is not None:
            yield describe(call, app, route)
    for describe in getattr(route.endpoint, DESCRIBED, ()):
        yield describe(app, route)


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    from fastapi import routing

    # Since 0.137 FastAPI keeps an included router whole.
    contexts = getattr(routing, "iter_route_contexts", iter)
    for route in contexts(routes):
        if isinstance(getattr(route, "original_route", route), routing.APIRoute):
            yield route


_DONE = "_sluicegate_described"
