"""A route's name in keys, and its dependencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._route import template_of


def name_of(scope: Mapping[str, Any], route: Any) -> str:
    """Its methods and its template: `GET /models/{model}`, and `WS /updates` for a WebSocket."""
    methods = getattr(route, "methods", None)
    return f"{','.join(sorted(methods)) if methods else 'WS'} {template_of(scope, route) or ''}"
