"""Names of endpoints in keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


class Names:
    """`module.function`; a second function of that name is called by its place in the module: `module.Class.function`."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}

    def of(self, function: Callable[..., Any]) -> str:
        while isinstance(function, partial):
            function = function.func
        if not hasattr(function, "__name__"):
            function = type(function)
        name = f"{function.__module__}.{function.__name__}"
        place = f"{function.__module__}.{function.__qualname__}"
        return name if self._places.setdefault(name, place) == place else place
