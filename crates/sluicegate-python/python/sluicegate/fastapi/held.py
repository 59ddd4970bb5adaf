"""How long a permit's slots are held."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from .._native import Pass


def keep_until_sent(scope: MutableMapping[str, Any], permit: Pass) -> None:
    """Gives a permit's slots back when the response has been sent, or nobody wants it any more.

    FastAPI ends what dependencies have begun on a stack that it closes then. Elsewhere the scope holds the permit, and goes
    when the request does.
    """
    stack = next((scope[name] for name in _STACKS if name in scope), None)
    if stack is not None:
        stack.callback(permit.release)


# The innermost first; the last is that of WebSockets in older releases.
_STACKS = ("fastapi_inner_astack", "fastapi_middleware_astack", "fastapi_astack")
