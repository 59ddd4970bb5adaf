"""The route that a request was led to, and its template: the same in every process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def route_of(scope: Mapping[str, Any]) -> Any | None:
    """The object that stands for the request's route, with its whole path and all of its dependencies: the same for
    all of its requests.

    Since 0.137 FastAPI keeps the routes of an included router as they were written, and what each inclusion added in a
    context beside them. An app that is mounted in such a router finds the context of its mount there.
    """
    route = scope.get("route")
    fastapi = scope.get("fastapi")
    if fastapi:
        context = fastapi.get("effective_route_context")
        if context is not None and context.original_route is route:
            return context
    return route


def template_of(scope: Mapping[str, Any], route: Any) -> str | None:
    """The route's path, `/v1/models/{model}/predict`, with the paths of the routers and apps around it.

    None where the route is not known: Starlette before 1.0 does not tell.
    """
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return None if path is None else f"{mount_of(scope, route)}{path}"


def mount_of(scope: Mapping[str, Any], route: Any) -> str:
    """The path at which the route's app is mounted, after the part that a proxy strips; empty if it is not mounted.

    The template of a mount is out of reach, so the values of its parameters are taken out of what it matched: requests that
    differ in nothing else are led to one route.
    """
    root: str = scope.get("root_path", "")
    outermost: str | None = scope.get("app_root_path")
    if not root or outermost is None:
        return ""
    mount = root[len(outermost) :] if root.startswith(outermost) else root
    own = getattr(route, "param_convertors", {})
    outer = {str(value): name for name, value in scope.get("path_params", {}).items() if name not in own}
    return "/".join(f"{{{outer[part]}}}" if part in outer else part for part in mount.split("/"))


def dependencies_of(route: Any) -> Iterator[object]:
    """Everything that the route depends on, directly or through another dependency, in the order of resolution."""
    dependant = getattr(route, "dependant", None)
    return iter(()) if dependant is None else _dependencies(dependant)


def _dependencies(dependant: Any) -> Iterator[object]:
    for dependency in dependant.dependencies:
        yield from _dependencies(dependency)
        yield dependency.call
