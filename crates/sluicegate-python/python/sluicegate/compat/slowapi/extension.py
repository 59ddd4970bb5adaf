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

from ..._openapi import describe_limits
from .call import Done, at_once
from .checks import Checks, state_of
from .endpoint import Endpoint, limited_by
from .errors import RateLimitExceeded
from .headers import HEADERS, retry_time, write
from .names import Names
from .overrides import INJECT, INJECT_ASGI, Listed, OwnLimits, overridden, own
from .proxies import TrustedProxies
from .refusal import _rate_limit_exceeded_handler
from .settings import C, Settings
from .storage import Storage
from .strategy import STRATEGIES, RateLimiter, limiter_on
from .wrappers import Limit, LimitGroup, Text

__all__ = ["C", "HEADERS", "MAX_BACKEND_CHECKS", "Limiter", "_rate_limit_exceeded_handler"]

MAX_BACKEND_CHECKS = 5
"""Has no meaning here: a store that does not answer is probed by the engine."""


@own
class Limiter:
    """Limits the requests of an app: `app.state.limiter = Limiter(key_func=get_remote_address)`.

    Whatever is not given is read from the environment or a `.env` file: `RATELIMIT_STORAGE_URL` and the other names of `C`.
    Raises `ValueError` for limits, stores and strategies that there are not.
    """

    _default_limits = OwnLimits()
    _application_limits = OwnLimits("global")
    _in_memory_fallback = OwnLimits()

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
        self.__marked_for_limiting: dict[str, list[Callable[..., Any]]] = {}
        self._names = Names()
        self._default_limits = default_limits or settings.text(C.DEFAULT_LIMITS)
        self._application_limits = application_limits or settings.text(C.APPLICATION_LIMITS)
        self._in_memory_fallback = in_memory_fallback or settings.text(C.IN_MEMORY_FALLBACK)
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
        self._storage_dead = False
        self._fallback_storage = Storage("memory://", {}, strategy)
        self._fallback_limiter = RateLimiter(self._fallback_storage)
        self._checks = Checks(self)

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
    def _storage(self) -> Any:
        """The storage of the accounts. Setting another one also replaces `_limiter`, which decides on them.

        Raises `TypeError` for what is no storage of another `Limiter` nor of the package limits.
        """
        return self.__storage

    @_storage.setter
    def _storage(self, storage: Any) -> None:
        self._limiter = limiter_on(storage, self._strategy)
        self.__storage = storage

    @property
    def _limiter(self) -> Any:
        """The strategy that decides. Anything with a `hit` can replace it: it is called limit by limit."""
        return self.__limiter

    @_limiter.setter
    def _limiter(self, limiter: Any) -> None:
        if not callable(getattr(limiter, "hit", None)):
            raise TypeError(f"{limiter!r} decides nothing: it has no method hit(limit, *identifiers, cost=1)")
        self.__limiter = limiter

    @property
    def limiter(self) -> Any:
        """The strategy that decides: the store's, or memory's while it is down and `in_memory_fallback` has its own
        limits."""
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
        """Checks a request in code that cannot await. Raises `RateLimitExceeded`.

        What overrides it is called for every check, and may be async.
        """
        at_once(self._checks.of_function(request, endpoint_func, in_middleware, False))
        return Done()

    def __evaluate_limits(self, request: HTTPConnection, endpoint: str, limits: Iterable[Limit]) -> None:
        """Checks a request by these limits alone, in code that cannot await."""
        checks = self._checks
        at_once(checks.by(self.limiter, request, [Listed(tuple(limits))], endpoint, checks.outage, False))

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

    @property
    def _injects(self) -> bool:
        return self._headers_enabled or overridden(self, INJECT)

    @property
    def _injects_asgi(self) -> bool:
        return self._headers_enabled or overridden(self, INJECT_ASGI)

    def _inject_into(self, returned: Any, response: Any, connection: HTTPConnection) -> None:
        """Sets the headers of what an endpoint has returned, or of the response that FastAPI makes of it."""
        target = returned if isinstance(returned, Response) else response
        if target is not None or overridden(self, INJECT):
            self._inject_headers(target, state_of(connection).get("view_rate_limit"))

    def _determine_retry_time(self, retry_header_value: str) -> int:
        return int(retry_time(str(retry_header_value), time.time()))

    def _due(self, connection: HTTPConnection) -> bool:
        """Returns `True` if this limiter has not checked the request yet."""
        checked = state_of(connection).get("_rate_limiting_complete", ())
        return self._auto_check and checked is not True and self not in (checked or ())

    def _is_exempt(self, function: Callable[..., Any]) -> bool:
        return bool(self._exempt_routes) and self._names.of(function) in self._exempt_routes

    def _decorator(self, group: LimitGroup) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
            endpoint, checks = limited_by(self, function)
            if endpoint is None:
                endpoint = Endpoint(self, function, self._names.of(function))
            endpoint.add(group)
            # For who clears it; nothing here reads it.
            self.__marked_for_limiting.setdefault(endpoint.name, []).append(function)
            if checks and endpoint.wrapper is function:
                return function
            return endpoint.wrap(function, sys._getframe(1).f_locals)

        return decorator


describe_limits()
