"""The path of a request as the routers of an app will see it."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from ._routing import full_match

Scope = MutableMapping[str, Any]


class View:
    """Sees requests as the routers of one app do, where FastAPI's `root_path` puts a root of its own in the server's place.

    FastAPI does so when it is called, and a middleware around it, or around what it is mounted in, comes before that.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._shape: list[tuple[Any, int, str]] = []
        self._start: Any = None
        self._has_roots = False

    def of(self, scope: Scope) -> Scope:
        """The scope, or one with the path that is cut off by the time when the last of the routers looks at it."""
        start = self._app
        if "app_root_path" in scope:
            # A router around this app has led the request here, and knows by which mounts.
            start = scope.get("router", start)
        if not self._has_roots_below(start):
            return scope
        seen = dict(scope)
        seen["root_path"] = scope.get("app_root_path", scope.get("root_path", ""))
        seen.pop("app_root_path", None)
        path = _seen(start, seen, "")
        sent: str = scope["path"]
        seen.pop("app_root_path", None)
        if sent.endswith(path) or not path:
            seen["root_path"] = sent[: len(sent) - len(path)]
        else:
            seen["root_path"], seen["path"] = "", path
        return seen

    def _has_roots_below(self, start: Any) -> bool:
        # Routes may be added to an app at any time.
        if start is not self._start or any(
            len(_routes_of(node)) != count or _root_of(node) != root for node, count, root in self._shape
        ):
            nodes = list(_nodes(_inner(start), set()))
            self._shape = [(node, len(_routes_of(node)), _root_of(node)) for node in nodes]
            self._start = start
            self._has_roots = any(root for _, _, root in self._shape)
        return self._has_roots


def _seen(app: Any, scope: Scope, mount: str) -> str:
    """The path that the last router sees, behind the mounts that have led there."""
    # The framework may be any other, and then no app has a root.
    from starlette._utils import get_route_path

    app = _inner(app)
    root = _root_of(app)
    if root:
        scope = {**scope, "root_path": root}
    matched = full_match(_routes_of(app), scope)
    if matched is None or not _leads_on(matched[0]):
        return mount + get_route_path(scope)
    route, child = matched
    deeper = {**scope, **child}
    here = deeper.get("root_path", "")[len(scope.get("root_path", "")) :]
    return _seen(route.app, deeper, mount + here)


def _nodes(node: Any, known: set[int]) -> Iterator[Any]:
    """An app or a router, and all that are mounted in it."""
    if id(node) in known:
        return
    known.add(id(node))
    yield node
    for route in list(_routes_of(node)):
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _nodes(included, known)
        elif _leads_on(route):
            yield from _nodes(_inner(route.app), known)


def _leads_on(route: Any) -> bool:
    """Returns `True` for a mount or a host, which have an app with routes of its own or none that is known."""
    return hasattr(route, "app") and hasattr(route, "routes")


def _inner(app: Any) -> Any:
    """The app inside middlewares, which have it as `app` as Starlette's do."""
    for _ in range(_MOST_MIDDLEWARES):
        if hasattr(app, "routes") or not hasattr(app, "app"):
            break
        app = app.app
    return app


def _routes_of(app: Any) -> list[Any]:
    routes = getattr(app, "routes", None)
    return routes if isinstance(routes, list) else []


def _root_of(app: Any) -> str:
    root = getattr(app, "root_path", "")
    return root if isinstance(root, str) else ""


_MOST_MIDDLEWARES = 100
