"""The template of a request's route: what unnamed limits belong to, and what metrics are told by."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any


def route_of(scope: MutableMapping[str, Any]) -> Any:
    """The object that stands for the request's route, the same for all of its requests."""
    fastapi = scope.get("fastapi")
    if fastapi is not None:
        # A router that is included several times has one route, and a context for each time.
        context = fastapi.get("effective_route_context")
        if context is not None:
            return context
    return scope.get("route")


def label_of(scope: MutableMapping[str, Any], route: Any) -> str:
    """The whole template, `/v1/models/{model}/predict`, with the paths of the routers and apps around it."""
    template: str | None = getattr(route, "path_format", None) or getattr(route, "path", None)
    if template is None:
        endpoint = scope.get("endpoint")
        template = f"/{getattr(endpoint, '__qualname__', 'unmatched')}"
    return f"{_mounted_at(scope)}{template}"


def _mounted_at(scope: MutableMapping[str, Any]) -> str:
    """Where the app of the route is mounted, behind what a proxy has cut off."""
    outer = scope.get("app_root_path", scope.get("root_path", ""))
    path = scope.get("root_path", "")
    if not path.startswith(outer):
        return str(path)
    parameters: Mapping[str, Any] = scope.get("path_params", {})
    names = {str(value): name for name, value in parameters.items()}
    segments = path[len(outer) :].split("/")
    # A mount's own parameters are values in its path: their names keep its requests together.
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in segments)
