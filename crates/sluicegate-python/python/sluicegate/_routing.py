"""The route that a router will lead a request to."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any


def full_match(routes: Iterable[Any], scope: MutableMapping[str, Any]) -> tuple[Any, Any] | None:
    """The first route that takes a request, looked for in included routers too, and what it adds to the scope."""
    # The framework may be any other, and then no app has routes of this kind.
    from starlette.routing import Match

    for route in routes:
        match, child = route.matches(scope)
        if match is not Match.FULL:
            continue
        # FastAPI since 0.137 keeps an included router whole.
        inside = getattr(route, "_match", None)
        while inside is not None:
            _, child, route, _ = inside(scope)
            inside = getattr(route, "_match", None)
        return route, child
    return None
