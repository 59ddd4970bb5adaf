"""The limiter: its settings, its decorators, and the private names that its users know."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response

from .._native import StoreError
from .._unavailable import unavailable
from .bill import Biller, Line, Outage, shown, take
from .call import Done, at_once
from .endpoint import Endpoint, limited_by
from .errors import RateLimitExceeded
from .headers import HEADERS, View, retry_time, write
from .names import Names
from .proxies import TrustedProxies
from .refusal import _rate_limit_exceeded_handler
from .settings import C, Settings
from .storage import Storage
from .strategy import STRATEGIES, RateLimiter
from .wrappers import Limit, LimitGroup, Text

__all__ = ["C", "HEADERS", "MAX_BACKEND_CHECKS", "Limiter", "_rate_limit_exceeded_handler"]

MAX_BACKEND_CHECKS = 5
"""Has no meaning here: a store that does not answer is probed by the engine."""


class Limiter:
    """Limits the requests of an app: `app.state.limiter = Limiter(key_func=get_remote_address)`.

    Whatever is not given is read from the environment or a `.env` file: `RATELIMIT_STORAGE_URL` and the other names of `C`.
    Raises `ValueError` for limits, stores and strategies that there are not.
    """

    def __init__(
        self,
        key_func: Callable[..., Any],
        default_limits: Iterable[Text] = (),
        application_limits: Iterable[Text] = (),
        headers_enabled: bool = False,
        strategy: str | None = None,
        storage_uri: str | None = None,
        storage_options: Mapping[str, Any] = {},  # noqa: B006: it is only read
        auto_check: bool = True,
        swallow_errors: bool = False,
        in_memory_fallback: Iterable[Text] = (),
        in_memory_fallback_enabled: bool = False,
        retry_after: str | None = None,
        key_prefix: str = "",
        enabled: bool = True,
        config_filename: str | None = None,
        key_style: Literal["endpoint", "url"] = "url",
        *,
        trusted_proxies: Iterable[str] = (),
        request_parameter: Literal["required", "optional"] | None = None,
    ) -> None:
        """`trusted_proxies` are the networks whose `X-Forwarded-For` `get_ipaddr` believes.

        With `request_parameter="optional"` an endpoint of FastAPI needs no parameter for its request.
        """
        self.logger = logging.getLogger("slowapi")
        if not self.logger.handlers:
            # An app that says nothing of logging hears nothing of denials.
            self.logger.addHandler(logging.NullHandler())
        settings = Settings(config_filename)
        self.app_config = settings.config
        self.enabled = settings.switch(C.ENABLED, enabled)
        self.request_parameter = request_parameter or settings.text(C.REQUEST_PARAMETER, "required")
        self.trusted_proxies = TrustedProxies(trusted_proxies or settings.words(C.TRUSTED_PROXIES))
        self._swallow_errors = settings.switch(C.SWALLOW_ERRORS, swallow_errors)
        self._headers_enabled = headers_enabled or settings.switch(C.HEADERS_ENABLED, False)
        self._header_mapping = settings.header_names()
        self._retry_after = retry_after or settings.text(C.HEADER_RETRY_AFTER_VALUE)
        self._auto_check = auto_check
        self._key_func = key_func
        self._key_style = key_style
        self._key_prefix = key_prefix or settings.text(C.KEY_PREFIX, "")
        self._request_filters: list[Callable[..., bool]] = []
        self._exempt_routes: set[str] = set()
        self._route_limits: dict[str, list[Limit]] = {}
        self._dynamic_route_limits: dict[str, list[LimitGroup]] = {}
        self._names = Names()
        self._default_limits = self._groups(default_limits or settings.text(C.DEFAULT_LIMITS), None)
        self._application_limits = self._groups(application_limits or settings.text(C.APPLICATION_LIMITS), "global")
        self._in_memory_fallback = self._groups(in_memory_fallback or settings.text(C.IN_MEMORY_FALLBACK), None)
        self._in_memory_fallback_enabled = (
            in_memory_fallback_enabled
            or bool(self._in_memory_fallback)
            or settings.switch(C.IN_MEMORY_FALLBACK_ENABLED, False)
        )
        strategy = strategy or settings.text(C.STRATEGY, "fixed-window")
        if strategy not in STRATEGIES:
            raise ValueError(f"no strategy is called {strategy!r}: use {', '.join(STRATEGIES)}")
        self._strategy = strategy
        self._storage_options = {**storage_options, **settings.options(C.STORAGE_OPTIONS)}
        self._storage_uri = storage_uri or settings.text(C.STORAGE_URL, "memory://")
        self._storage = Storage(self._storage_uri, self._storage_options, strategy)
        self._limiter = RateLimiter(self._storage)
        self._storage_dead = False
        self._fallback_storage = Storage("memory://", {}, strategy)
        self._fallback_limiter = RateLimiter(self._fallback_storage)
        self._biller = Biller(self._key_prefix, self.trusted_proxies)

    def limit(
        self,
        limit_value: Text,
        key_func: Callable[..., Any] | None = None,
        per_method: bool = False,
        methods: list[str] | None = None,
        error_message: Text | None = None,
        exempt_when: Callable[..., Any] | None = None,
        cost: int | Callable[..., Any] = 1,
        override_defaults: bool = True,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Limits an endpoint: `@limiter.limit("10/minute")`, below the decorator that makes it a route.

        `limit_value` may be a function that names the limit, of the caller's `key` or of the `request`. Functions may be async.
        """
        return self._decorator(
            LimitGroup(
                limit_value,
                key_func or self._key_func,
                None,
                per_method,
                methods,
                error_message,
                exempt_when,
                cost,
                override_defaults,
            )
        )

    def shared_limit(
        self,
        limit_value: Text,
        scope: Text,
        key_func: Callable[..., Any] | None = None,
        error_message: Text | None = None,
        exempt_when: Callable[..., Any] | None = None,
        cost: int | Callable[..., Any] = 1,
        override_defaults: bool = True,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Limits endpoints that share one account. `scope` names it, or is a function of the endpoint's name that does."""
        return self._decorator(
            LimitGroup(
                limit_value,
                key_func or self._key_func,
                scope,
                False,
                None,
                error_message,
                exempt_when,
                cost,
                override_defaults,
            )
        )

    def exempt(self, obj: Callable[..., Any]) -> Callable[..., Any]:
        """Frees an endpoint of all limits."""
        self._exempt_routes.add(self._names.of(obj))
        return obj

    def reset(self) -> Done:
        """Forgets what all callers have spent, where the store can do that."""
        try:
            self._storage.reset()
        except NotImplementedError:
            self.logger.warning("This storage type does not support being reset")
        return Done()

    @property
    def limiter(self) -> RateLimiter:
        """What decides: the store, or memory while it is down and `in_memory_fallback` has limits of its own."""
        return self._fallback_limiter if self._storage_dead else self._limiter

    def get_app_config(self, key: str, default_value: Any = None) -> Any:
        """A setting of the environment or the file."""
        cast = type(default_value) if default_value else None
        return self.app_config(key, cast=cast, default=default_value)  # type: ignore[arg-type]

    def slowapi_startup(self, app: Any) -> None:
        """Makes this the limiter of an app, whose handler says so."""
        app.state.limiter = self
        app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)

    def _check_request_limit(
        self, request: HTTPConnection, endpoint_func: Callable[..., Any] | None, in_middleware: bool = True
    ) -> Done:
        """Checks a request in code that cannot await. Raises `RateLimitExceeded`."""
        at_once(self._check_function(request, endpoint_func, in_middleware, False))
        return Done()

    def _inject_headers(self, response: Response, current_limit: Any) -> Response:
        """Sets the headers that tell of a limit: `request.state.view_rate_limit`."""
        if self.enabled and self._headers_enabled and current_limit is not None:
            if not isinstance(response, Response):
                raise TypeError("parameter `response` must be an instance of starlette.responses.Response")
            self._inject_asgi_headers(response.headers, current_limit)
        return response

    def _inject_asgi_headers(self, headers: MutableHeaders, current_limit: Any) -> MutableHeaders:
        if self.enabled and self._headers_enabled and current_limit is not None:
            write(headers, current_limit, self._header_mapping, self._retry_after, self.limiter)
        return headers

    def _inject_into(self, returned: Any, response: Any, connection: HTTPConnection) -> None:
        """Sets the headers of what an endpoint has returned, or of the response that FastAPI makes of it."""
        target = returned if isinstance(returned, Response) else response
        if target is not None:
            self._inject_headers(target, _state(connection).get("view_rate_limit"))

    def _determine_retry_time(self, retry_header_value: str) -> int:
        return int(retry_time(str(retry_header_value), time.time()))

    def _due(self, connection: HTTPConnection) -> bool:
        """Whether this limiter has not checked the request yet."""
        checked = _state(connection).get("_rate_limiting_complete", ())
        return self._auto_check and checked is not True and self not in (checked or ())

    def _is_exempt(self, function: Callable[..., Any]) -> bool:
        return bool(self._exempt_routes) and self._names.of(function) in self._exempt_routes

    async def _check_endpoint(self, connection: HTTPConnection, endpoint: Endpoint, awaits: bool) -> None:
        """Checks a request to an endpoint that has decorators. Raises `RateLimitExceeded`."""
        state = _state(connection)
        if endpoint.name not in self._exempt_routes and not any(spared() for spared in self._request_filters):
            groups = [*self._application_limits, *endpoint.groups]
            if not endpoint.overrides_defaults:
                groups += self._default_limits
            place = endpoint.name if self._key_style == "endpoint" else connection.scope["path"]
            await self._check(connection, groups, place, awaits)
        state["_rate_limiting_complete"] = (self, *(state.get("_rate_limiting_complete") or ()))

    async def _check_function(
        self, connection: HTTPConnection, function: Callable[..., Any] | None, in_middleware: bool, awaits: bool
    ) -> None:
        """Checks a request to a function, unless that does so itself. Raises `RateLimitExceeded`."""
        _state(connection).setdefault("view_rate_limit", None)
        if not self.enabled:
            return
        endpoint, checks = limited_by(self, function)
        if endpoint is not None:
            if not (checks and in_middleware):
                await self._check_endpoint(connection, endpoint, awaits)
            return
        if function is not None and self._is_exempt(function) or any(spared() for spared in self._request_filters):
            return
        place = connection.scope["path"]
        if self._key_style == "endpoint" and function is not None:
            place = self._names.of(function)
        await self._check(connection, [*self._application_limits, *self._default_limits], place, awaits)

    async def _check(self, connection: HTTPConnection, groups: list[LimitGroup], place: str, awaits: bool) -> None:
        connection.scope["sluicegate.slowapi"] = self
        try:
            if self._in_memory_fallback:
                await self._check_or_fall_back(connection, groups, place, awaits)
            else:
                await self._check_on(self._storage, connection, groups, place, self._outage, awaits)
        except RateLimitExceeded:
            raise
        except Exception as error:
            if not self._swallow_errors:
                if isinstance(error, StoreError):
                    raise unavailable() from error
                raise
            self.logger.exception("Failed to rate limit. Swallowing error")
            _state(connection)["view_rate_limit"] = None

    async def _check_or_fall_back(
        self, connection: HTTPConnection, groups: list[LimitGroup], place: str, awaits: bool
    ) -> None:
        """While the store is down, other limits hold, in memory."""
        try:
            await self._check_on(self._storage, connection, groups, place, "deny", awaits)
        except StoreError:
            if not self._storage_dead:
                self.logger.warning("Rate limit storage unreachable - falling back to in-memory storage")
            self._storage_dead = True
        else:
            if self._storage_dead:
                self.logger.info("Rate limit storage recovered")
            self._storage_dead = False
            return
        await self._check_on(self._fallback_storage, connection, self._in_memory_fallback, place, None, awaits)

    async def _check_on(
        self,
        storage: Storage,
        connection: HTTPConnection,
        groups: list[LimitGroup],
        place: str,
        outage: Outage,
        awaits: bool,
    ) -> None:
        lines = await self._biller.bill(groups, connection, place, storage, awaits)
        state = _state(connection)
        if not lines:
            state["view_rate_limit"] = None
            return
        decision = await take(lines, storage, outage, awaits)
        index = shown(lines) if decision else decision.charge
        line = lines[index]
        state["view_rate_limit"] = View.of(line.limit.limit, line.parts, decision, index)
        if not decision:
            raise self._denied(line, storage, decision.balances[index].reset_after)

    def _denied(self, line: Line, storage: Storage, reset_after: float) -> RateLimitExceeded:
        storage.count_denied(line.account, line.cost, reset_after)
        *_, key, scope = line.parts
        self.logger.warning("ratelimit %s (%s) exceeded at endpoint: %s", line.limit.limit, key, scope)
        exceeded = RateLimitExceeded(line.limit)
        exceeded.limiter = self
        return exceeded

    @property
    def _outage(self) -> Outage:
        """What becomes of a limit while the store does not answer: it passes where errors are swallowed, or memory decides."""
        if self._in_memory_fallback_enabled:
            return "local"
        return "allow" if self._swallow_errors else None

    def _groups(self, texts: Iterable[Text] | Text | None, scope: str | None) -> list[LimitGroup]:
        """Limits of the limiter itself: one text, or several without those that are there twice."""
        if texts is None or isinstance(texts, str) or callable(texts):
            texts = [texts] if texts else []
        distinct: list[Text] = []
        for text in texts:
            if text not in distinct:
                distinct.append(text)
        return [LimitGroup(text, self._key_func, scope, False, None, None, None, 1, False) for text in distinct]

    def _decorator(self, group: LimitGroup) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
            endpoint, checks = limited_by(self, function)
            if endpoint is None:
                endpoint = Endpoint(self, function, self._names.of(function))
            endpoint.groups.append(group)
            self._list(endpoint.name, group)
            if checks and endpoint.wrapper is function:
                return function
            return endpoint.wrap(function, sys._getframe(1).f_locals)

        return decorator

    def _list(self, name: str, group: LimitGroup) -> None:
        """For who looks limits up by their endpoints' names; nothing here does."""
        if group.fixed is None:
            self._dynamic_route_limits.setdefault(name, []).append(group)
        else:
            self._route_limits.setdefault(name, []).extend(group.fixed)


def _state(connection: HTTPConnection) -> dict[str, Any]:
    """The dictionary behind `request.state`."""
    state: dict[str, Any] = connection.scope.setdefault("state", {})
    return state
