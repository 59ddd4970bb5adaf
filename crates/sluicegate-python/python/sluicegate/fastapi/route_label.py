"""The template of a request's route: what unnamed limits belong to, and what metrics are told by."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from .._route import mount_of, template_of


def label_of(scope: MutableMapping[str, Any], route: Any) -> str:
    """The whole template, `/v1/models/{model}/predict`, with the paths of the routers and apps around it."""
    template = template_of(scope, route)
    if template is not None:
        return template
    return f"{mount_of(scope, route)}/{getattr(scope.get('endpoint'), '__qualname__', 'unmatched')}"
