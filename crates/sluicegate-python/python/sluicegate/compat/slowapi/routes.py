"""The endpoint that a request will reach, as the app's own routes see it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from starlette.routing import BaseRoute, Host, Mount

from ..._routing import full_match

Endpoint = Callable[..., Any]


class Routes:
    """Finds the endpoints of one app, and remembers them, for to ask all routes is dear."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Endpoint] = {}
        self._count = -1

    def endpoint(self, app: Any, scope: MutableMapping[str, Any]) -> Endpoint | None:
        """The endpoint of a request; None where no route takes it, and for what is mounted and has no routes."""
        path = scope["path"]
        if self._count != len(app.routes):
            self._known.clear()
            self._count = len(app.routes)
        key = (scope.get("root_path", ""), path, scope["method"])
        endpoint = self._known.get(key)
        if endpoint is None:
            endpoint, lasting = _find(app.routes, scope)
            # A miss is not cached: the route may be added later.
            if endpoint is not None and lasting and len(path) <= _LONGEST_PATH:
                if len(self._known) >= _MOST_PATHS:
                    self._known.clear()
                self._known[key] = endpoint
        return endpoint


def find_endpoint(routes: Iterable[BaseRoute], scope: MutableMapping[str, Any]) -> Endpoint | None:
    """The endpoint of the first route that takes a request, in included routers and mounted apps too."""
    return _find(routes, scope)[0]


def handler_of(endpoint: Endpoint, method: str) -> Endpoint:
    """The function that answers a method: of a class of functions, one of them."""
    if not inspect.isclass(endpoint):
        return endpoint
    name = method.lower()
    if name == "head" and not hasattr(endpoint, name):
        name = "get"
    return getattr(endpoint, name, endpoint)


def _find(routes: Iterable[BaseRoute], scope: MutableMapping[str, Any]) -> tuple[Endpoint | None, bool]:
    """The endpoint, and whether another request to its path is led there too."""
    matched = full_match(routes, scope)
    if matched is None:
        return None, True
    route, child = matched
    if isinstance(route, (Mount, Host)):
        endpoint, lasting = _find(route.routes or (), {**scope, **child})
        return endpoint, lasting and isinstance(route, Mount)
    return getattr(route, "endpoint", None) or _unknown, True


def _unknown() -> None:
    """Stands for an endpoint of a route of an unknown kind, which is limited rather than not."""


_MOST_PATHS = 1024
_LONGEST_PATH = 256
