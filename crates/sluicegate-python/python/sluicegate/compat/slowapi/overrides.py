"""Members of a limiter that subclasses override, tests patch and apps replace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from .wrappers import Limit, LimitGroup, Text

if TYPE_CHECKING:
    from .extension import Limiter

CHECK = "_check_request_limit"
INJECT = "_inject_headers"
INJECT_ASGI = "_inject_asgi_headers"
EVALUATE = "_Limiter__evaluate_limits"


def own(kind: type) -> type:
    """Remembers the methods of a class as they were written, so that others in their place are noticed."""
    for name in (CHECK, INJECT, INJECT_ASGI, EVALUATE):
        _WRITTEN[name] = getattr(kind, name)
    return kind


def overridden(limiter: Limiter, name: str) -> bool:
    """Returns `True` if another function stands in the place of a method: of this limiter, its class or all limiters."""
    return name in limiter.__dict__ or getattr(limiter.__class__, name) is not _WRITTEN[name]


class Listed(NamedTuple):
    """Limits that stand in a list, as a group."""

    fixed: tuple[Limit, ...]
    override_defaults: bool = False


class OwnLimits:
    """The limits of a limiter itself: a list of groups, which may be replaced, also by texts that name limits."""

    def __init__(self, scope: str | None = None) -> None:
        self._scope = scope

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, limiter: Any, owner: type | None = None) -> Any:
        return self if limiter is None else limiter.__dict__[self._name]

    def __set__(self, limiter: Any, given: Iterable[Text | LimitGroup] | Text | None) -> None:
        """Raises `ValueError` for what is neither a group, nor a function, nor a text that names limits."""
        if isinstance(given, list) and all(isinstance(group, LimitGroup) for group in given):
            # The caller's own list, to which it may add.
            limiter.__dict__[self._name] = given
            return
        if given is None or isinstance(given, str) or callable(given):
            given = [given] if given else []
        distinct: list[Any] = []
        for one in given:
            if one not in distinct:
                distinct.append(one)
        limiter.__dict__[self._name] = [self._group(limiter, one) for one in distinct]

    def _group(self, limiter: Any, given: Any) -> LimitGroup:
        if isinstance(given, LimitGroup):
            return given
        # Whatever else is no text either is refused there.
        return LimitGroup(given, limiter._key_func, self._scope, False, None, None, None, 1, False)


_WRITTEN: dict[str, Any] = {}
