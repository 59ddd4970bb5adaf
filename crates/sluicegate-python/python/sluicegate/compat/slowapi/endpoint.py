"""An endpoint that decorators limit, and the function that stands in its place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from ..._handed import taking_slots
from ..._openapi import described_by
from ..._signature import is_async
from .call import at_once
from .errors import RateLimitExceeded
from .openapi import described
from .parameters import HIDDEN_CHECK, Parameters
from .refusal import refuse
from .overrides import Listed
from .wrappers import Limit, LimitGroup

if TYPE_CHECKING:
    from .extension import Limiter


class Endpoint:
    """A function, its name in keys, and its limits, in the order in which the decorators gave them."""

    def __init__(self, limiter: Limiter, function: Callable[..., Any], name: str) -> None:
        self.limiter = limiter
        self.function = function
        self.name = name
        self.groups: list[LimitGroup] = []
        self._listed: tuple[list[Limit], list[LimitGroup]] = ([], [])
        self._held: list[LimitGroup | Listed] = []
        self.wrapper: Callable[..., Any] | None = None
        """What stands in its place."""

    @property
    def called(self) -> Callable[..., Any]:
        """The function by which its limiter finds it: its own, or the wrapper of one that takes no mark."""
        own = limited_by(self.limiter, self.function)[0] is self
        return self.function if own or self.wrapper is None else self.wrapper

    def held(self) -> list[LimitGroup | Listed]:
        """Its limits, as far as they are still in the limiter's `_route_limits` and `_dynamic_route_limits`, and those that others
        have put there."""
        fixed = self.limiter._route_limits.get(self.name, [])
        dynamic = self.limiter._dynamic_route_limits.get(self.name, [])
        # Both are as they were, mostly.
        if self._listed != (fixed, dynamic):
            self._listed = list(fixed), list(dynamic)
            self._held = list(self._still_listed(fixed, dynamic))
        return self._held

    def _still_listed(self, fixed: list[Limit], dynamic: list[LimitGroup]) -> Iterator[LimitGroup | Listed]:
        for group in self.groups:
            if group.fixed is None:
                if group in dynamic:
                    yield group
            else:
                limits = tuple(limit for limit in group.fixed if limit in fixed)
                yield group if limits == group.fixed else Listed(limits, group.override_defaults and bool(limits))
        yield from (group for group in dynamic if group.owner is None)
        added = tuple(limit for limit in fixed if limit.owner is None)
        if added:
            yield Listed(added, any(limit.override_defaults for limit in added))

    def add(self, group: LimitGroup) -> None:
        """Adds the limits of a decorator, here and in the lists of the limiter."""
        group.owner = self
        self.groups.append(group)
        if group.fixed is None:
            self.limiter._dynamic_route_limits.setdefault(self.name, []).append(group)
        else:
            for limit in group.fixed:
                limit.owner = self
            self.limiter._route_limits.setdefault(self.name, []).extend(group.fixed)

    def wrap(self, function: Callable[..., Any], around: Mapping[str, Any]) -> Callable[..., Any]:
        """The function that checks its limits, and then calls `function`: the endpoint, or what another decorator made of it.

        `around` has the local names where it is decorated.
        """
        parameters = Parameters(
            function,
            around,
            may_hide_request=self.limiter.request_parameter == "optional",
            hide_response=self.limiter._injects,
        )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            wrapper = self._generator(function, parameters)
        elif is_async(function):
            wrapper = taking_slots(self._async(function, parameters))
        else:
            wrapper = taking_slots(self._sync(function, parameters))
        wrapper.__signature__ = parameters.signature  # type: ignore[attr-defined]
        described_by(wrapper, self._describe_429)
        _mark(wrapper, LIMITED, self)
        _mark(self.function, MARKED, self)
        self.wrapper = wrapper
        return wrapper

    def _describe_429(self, app: Any, route: Any) -> dict[str, Any] | None:
        exempt = self.name in self.limiter._exempt_routes or not self.limiter.enabled
        return None if exempt else described(self.limiter, app)

    def _async(self, function: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
        limiter = self.limiter

        @functools.wraps(function)
        async def limited(*args: Any, **kwargs: Any) -> Any:
            connection, response = parameters.take(args, kwargs, limiter.enabled)
            if connection is None:
                return await function(*args, **kwargs)
            if limiter._due(connection):
                try:
                    await limiter._checks.for_decorator(connection, self, True)
                except RateLimitExceeded as exceeded:
                    if not isinstance(connection, WebSocket):
                        raise
                    return await refuse(connection, exceeded)
            returned = await function(*args, **kwargs)
            if limiter._injects:
                limiter._inject_into(returned, response, connection)
            return returned

        return limited

    def _sync(self, function: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
        limiter = self.limiter

        @functools.wraps(function)
        def limited(*args: Any, **kwargs: Any) -> Any:
            connection, response = parameters.take(args, kwargs, limiter.enabled)
            if connection is None:
                return function(*args, **kwargs)
            if limiter._due(connection):
                at_once(limiter._checks.for_decorator(connection, self, False))
            returned = function(*args, **kwargs)
            if limiter._injects:
                limiter._inject_into(returned, response, connection)
            return returned

        return limited

    def _generator(self, function: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
        """FastAPI runs it when the answer has begun, so that a dependency has to check before."""
        from fastapi import Depends

        limiter = self.limiter

        async def check(connection: HTTPConnection, response: Response) -> None:
            if limiter.enabled and limiter._due(connection):
                await limiter._checks.for_decorator(connection, self, True)
            if limiter.enabled and limiter._injects:
                limiter._inject_into(None, response, connection)

        # Annotations as texts would be looked up in the endpoint's module.
        check.__annotations__ = {"connection": HTTPConnection, "response": Response}
        parameters.hide(HIDDEN_CHECK, Annotated[None, Depends(check)])

        @functools.wraps(function)
        def limited(*args: Any, **kwargs: Any) -> Any:
            kwargs.pop(HIDDEN_CHECK, None)
            parameters.drop(kwargs)
            return function(*args, **kwargs)

        return limited


def limited_by(limiter: Limiter, function: Any) -> tuple[Endpoint | None, bool]:
    """A limiter's decorators of a function, and `True` if a call of it checks the limits itself.

    It does not where the decorator stands above the one that made it a route.
    """
    for endpoint in getattr(function, LIMITED, ()):
        if endpoint.limiter is limiter:
            return endpoint, True
    for endpoint in getattr(function, MARKED, ()):
        if endpoint.limiter is limiter:
            return endpoint, False
    return None, False


def _mark(function: Any, name: str, endpoint: Endpoint) -> None:
    others = tuple(other for other in getattr(function, name, ()) if other.limiter is not endpoint.limiter)
    # A bound method or a built-in takes no mark: its decorator limits it where it stands.
    with suppress(AttributeError):
        setattr(function, name, (endpoint, *others))


LIMITED = "__sluicegate_limited__"
MARKED = "__sluicegate_marked__"
