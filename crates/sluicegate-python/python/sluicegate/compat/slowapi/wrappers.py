"""A limit as a decorator or a setting has it, and the group of limits that one text names."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from starlette.requests import HTTPConnection

from ..._native import Quota
from .call import at_once, of_request, parameters_of, settled
from .item import RateLimitItem, parse_many

Text = str | Callable[..., Any]


class Limit:
    """One limit: its numbers, whose account it is on, and when it holds."""

    def __init__(
        self,
        limit: RateLimitItem,
        key_func: Callable[..., Any],
        scope: Text | None,
        per_method: bool,
        methods: list[str] | None,
        error_message: Text | None,
        exempt_when: Callable[..., Any] | None,
        cost: int | float | Callable[..., Any],
        override_defaults: bool,
    ) -> None:
        """Raises `ValueError` for a cost below 0, `TypeError` for a message that would have to be awaited."""
        if inspect.iscoroutinefunction(error_message):
            raise TypeError("error_message cannot be an async function: an exception is made of it")
        self.limit = limit
        self.key_func = key_func
        self.per_method = per_method
        self.methods = methods
        self.error_message = error_message
        self.exempt_when = exempt_when
        self.cost = cost
        self.override_defaults = override_defaults
        self.owner: object = None
        """The endpoint whose decorator made it; None where it was put into a list by hand."""
        self._scope = scope
        self._scope_of = of_request(scope) if callable(scope) else None
        self._scope_takes_request = callable(scope) and "request" in {p.name for p in parameters_of(scope)}

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets a member, and what is made of it: tests change those of limits that are at work."""
        if name == "limit":
            self.tail = value.key_for().removeprefix(value.namespace)
            self.quota: Quota | None = None
            self.strategy = ""
        elif name == "key_func":
            self.key_of = of_request(value)
        elif name == "exempt_when":
            self.exempts = None if value is None else of_request(value, alone=True)
            self._exempt_when_takes_request = value is not None and len(parameters_of(value)) == 1
        elif name == "cost":
            self.cost_of = of_request(value) if callable(value) else None
            self.fixed_cost = 0 if callable(value) else units(value)
        super().__setattr__(name, value)

    def is_exempt(self, request: HTTPConnection | None = None) -> bool:
        """Returns `True` if `exempt_when` exempts this request."""
        if self.exempts is None:
            return False
        return bool(at_once(settled(self.exempts(request), False)))  # type: ignore[arg-type]

    @property
    def scope(self) -> str:
        """The part of an account's name that is shared; empty where it is the endpoint's, or found out for each request."""
        return self._scope if isinstance(self._scope, str) else ""

    def scope_for(self, request: HTTPConnection, endpoint: str) -> Any:
        """The same for a request: where a function gives it, of the request, or of the endpoint's name."""
        if self._scope_of is None:
            return self._scope or endpoint
        return self._scope_of(request if self._scope_takes_request else endpoint)  # type: ignore[arg-type]


class LimitGroup:
    """The limits that one text names, or that a function names for each request."""

    def __init__(
        self,
        limit_provider: Text,
        key_function: Callable[..., Any],
        scope: Text | None,
        per_method: bool,
        methods: list[str] | None,
        error_message: Text | None,
        exempt_when: Callable[..., Any] | None,
        cost: int | float | Callable[..., Any],
        override_defaults: bool,
    ) -> None:
        """Raises `ValueError` for a text that is no limit."""
        self.key_function = key_function
        self.per_method = per_method
        self.methods = methods and [method.lower() for method in methods]
        self.error_message = error_message
        self.exempt_when = exempt_when
        self.cost = cost
        self.override_defaults = override_defaults
        self.request: HTTPConnection | None = None
        self._scope = scope
        self._provider = limit_provider
        self.owner: object = None
        """The endpoint whose decorator made it; None where it was put into a list by hand."""
        self._named: dict[str, tuple[Limit, ...]] = {}
        wanted = {parameter.name for parameter in parameters_of(limit_provider)} if callable(limit_provider) else set()
        self._wants = wanted & {"key", "request"}
        self.fixed: tuple[Limit, ...] | None = None
        """Its limits, where they are the same for all requests."""
        if not callable(limit_provider):
            self.fixed = self._limits(limit_provider)
        elif not callable(cost):
            units(cost)

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets a member. Limits that were made before are made again with it."""
        super().__setattr__(name, value)
        if name == "key_function":
            self._key_of = of_request(value)
        if name in _OF_LIMITS and "fixed" in self.__dict__:
            self._named.clear()
            if self.fixed is not None and self.owner is None:
                self.fixed = self._limits(self._provider)

    async def limits(self, request: HTTPConnection, awaits: bool) -> Sequence[Limit]:
        """Its limits for a request. Raises `ValueError` where a function names none."""
        if self.fixed is not None:
            return self.fixed
        given: dict[str, Any] = {}
        if "key" in self._wants:
            given["key"] = await settled(self._key_of(request), awaits)
        if "request" in self._wants:
            given["request"] = request
        return self._limits(await settled(self._provider(**given), awaits))  # type: ignore[operator]

    def with_request(self, request: HTTPConnection) -> LimitGroup:
        """This group, to be listed for a request."""
        self.request = request
        return self

    def __iter__(self) -> Iterator[Limit]:
        return iter(at_once(self.limits(self.request, False)))  # type: ignore[arg-type]

    def _limits(self, text: Any) -> tuple[Limit, ...]:
        if not isinstance(text, str):
            raise ValueError(f"a limit is a text such as '10/minute', not {text!r}")
        found = self._named.get(text)
        if found is None:
            found = tuple(self._limit(item) for item in parse_many(text))
            if len(self._named) >= _MOST_TEXTS:
                self._named.clear()
            self._named[text] = found
        return found

    def _limit(self, item: RateLimitItem) -> Limit:
        return Limit(
            item,
            self.key_function,
            self._scope,
            self.per_method,
            self.methods,
            self.error_message,
            self.exempt_when,
            self.cost,
            self.override_defaults,
        )


def units(cost: int | float) -> int:
    """A cost in whole requests, rounded up. Raises `ValueError` for one below 0."""
    whole = math.ceil(cost)
    if whole < 0:
        raise ValueError(f"a cost is 0 or more, not {cost}")
    return whole


_OF_LIMITS = ("key_function", "per_method", "methods", "error_message", "exempt_when", "cost", "override_defaults")
# A function that names limits returns few texts; one that makes up ever new ones shall not fill the memory.
_MOST_TEXTS = 256
