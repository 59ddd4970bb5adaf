"""The checks of a limiter's requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection

from ..._native import StoreError
from ..._unavailable import unavailable
from .bill import Biller, Group, Line, OutageMode, hit_in_turn, limits_of, shown, take
from .call import settled
from .endpoint import Endpoint, limited_by
from .errors import RateLimitExceeded
from .headers import View
from .overrides import CHECK, EVALUATE, overridden
from .strategy import is_own

if TYPE_CHECKING:
    from .extension import Limiter
    from .storage import Storage


class Checks:
    """Checks requests by the limits of one limiter. Each check raises `RateLimitExceeded` for what may not pass."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._biller = Biller(limiter)

    async def for_middleware(
        self, connection: HTTPConnection, function: Callable[..., Any] | None, awaits: bool
    ) -> None:
        """Checks a request by `_check_request_limit`, or directly where that is as it was written."""
        limiter = self._limiter
        if not overridden(limiter, CHECK):
            await self.of_function(connection, function, True, awaits)
        elif limiter.enabled and not (function is not None and limiter._is_exempt(function)):
            state_of(connection).setdefault("view_rate_limit", None)
            await settled(limiter._check_request_limit(connection, function, True), awaits)

    async def for_decorator(self, connection: HTTPConnection, endpoint: Endpoint, awaits: bool) -> None:
        """Checks a request to an endpoint that has decorators, likewise."""
        limiter = self._limiter
        if not overridden(limiter, CHECK):
            await self._of_endpoint(connection, endpoint, awaits)
            return
        state_of(connection).setdefault("view_rate_limit", None)
        await settled(limiter._check_request_limit(connection, endpoint.called, False), awaits)
        self._complete(connection)

    async def of_function(
        self, connection: HTTPConnection, function: Callable[..., Any] | None, in_middleware: bool, awaits: bool
    ) -> None:
        """Checks a request to a function, unless that does so itself."""
        limiter = self._limiter
        state_of(connection).setdefault("view_rate_limit", None)
        if not limiter.enabled:
            return
        endpoint, checks = limited_by(limiter, function)
        if endpoint is not None:
            if not (checks and in_middleware):
                await self._of_endpoint(connection, endpoint, awaits)
            return
        spared = any(spared() for spared in limiter._request_filters)
        if spared or (function is not None and limiter._is_exempt(function)):
            return
        place = connection.scope["path"]
        if limiter._key_style == "endpoint" and function is not None:
            place = limiter._names.of(function)
        await self._by(connection, [*limiter._application_limits, *limiter._default_limits], place, awaits)

    async def by(
        self,
        strategy: Any,
        connection: HTTPConnection,
        groups: Sequence[Group],
        place: str,
        outage: OutageMode,
        awaits: bool,
    ) -> None:
        """Checks a request to a place by these limits, on the accounts of a strategy."""
        storage: Storage | None = strategy.storage if is_own(strategy) else None
        quotas_of = storage or self._limiter._fallback_storage
        lines = await self._biller.bill(groups, connection, place, quotas_of, awaits)
        state = state_of(connection)
        if not lines:
            state["view_rate_limit"] = None
            return
        if storage is None:
            denied = await hit_in_turn(lines, strategy, awaits)
            line = denied or lines[shown(lines)]
            state["view_rate_limit"] = (line.limit.limit, line.parts)
            if denied is not None:
                raise self._denied(denied)
            return
        decision = await take(lines, storage, outage, awaits)
        index = shown(lines) if decision else decision.charge
        line = lines[index]
        state["view_rate_limit"] = View.of(line.limit.limit, line.parts, decision, index)
        if not decision:
            storage.count_denied(line.account, line.cost, decision.balances[index].reset_after)
            raise self._denied(line)

    @property
    def outage(self) -> OutageMode:
        """A limit's mode while the store is down: it passes if errors are swallowed; otherwise memory decides."""
        if self._limiter._in_memory_fallback_enabled:
            return "local"
        return "allow" if self._limiter._swallow_errors else None

    async def _of_endpoint(self, connection: HTTPConnection, endpoint: Endpoint, awaits: bool) -> None:
        limiter = self._limiter
        if endpoint.name not in limiter._exempt_routes and not any(spared() for spared in limiter._request_filters):
            held = endpoint.held()
            groups = [*limiter._application_limits, *held]
            if not any(group.override_defaults for group in held):
                groups += limiter._default_limits
            place = endpoint.name if limiter._key_style == "endpoint" else connection.scope["path"]
            await self._by(connection, groups, place, awaits)
        self._complete(connection)

    def _complete(self, connection: HTTPConnection) -> None:
        """Tells this limiter's other decorators, and its middleware, that the request has been checked."""
        state = state_of(connection)
        checked = state.get("_rate_limiting_complete") or ()
        if checked is not True and self._limiter not in checked:
            state["_rate_limiting_complete"] = (self._limiter, *checked)

    async def _by(self, connection: HTTPConnection, groups: list[Group], place: str, awaits: bool) -> None:
        limiter = self._limiter
        connection.scope["sluicegate.slowapi"] = limiter
        try:
            if overridden(limiter, EVALUATE):
                limits = [limit for group in groups for limit in await limits_of(group, connection, awaits)]
                await settled(getattr(limiter, EVALUATE)(connection, place, limits), awaits)
            elif limiter._in_memory_fallback or (
                limiter._in_memory_fallback_enabled and (limiter._storage_dead or not is_own(limiter._limiter))
            ):
                await self._or_fall_back(connection, groups, place, awaits)
            else:
                await self.by(limiter._limiter, connection, groups, place, self.outage, awaits)
        except RateLimitExceeded:
            raise
        except Exception as error:
            if not limiter._swallow_errors:
                if isinstance(error, StoreError):
                    raise unavailable() from error
                raise
            limiter.logger.exception("Failed to rate limit. Swallowing error")
            state_of(connection)["view_rate_limit"] = None

    async def _or_fall_back(
        self, connection: HTTPConnection, groups: list[Group], place: str, awaits: bool
    ) -> None:
        """While the store is down, other limits hold, in memory."""
        limiter = self._limiter
        strategy = limiter._limiter
        try:
            await self.by(strategy, connection, groups, place, "deny", awaits)
        except Exception as error:
            # Another's strategy has errors of its own.
            if isinstance(error, RateLimitExceeded) or (is_own(strategy) and not isinstance(error, StoreError)):
                raise
            if not limiter._storage_dead:
                limiter.logger.warning("Rate limit storage unreachable - falling back to in-memory storage")
            limiter._storage_dead = True
        else:
            if limiter._storage_dead:
                limiter.logger.info("Rate limit storage recovered")
            limiter._storage_dead = False
            return
        groups = limiter._in_memory_fallback or groups
        await self.by(limiter._fallback_limiter, connection, groups, place, None, awaits)

    def _denied(self, line: Line) -> RateLimitExceeded:
        *_, key, scope = line.parts
        self._limiter.logger.warning("ratelimit %s (%s) exceeded at endpoint: %s", line.limit.limit, key, scope)
        exceeded = RateLimitExceeded(line.limit)
        exceeded.limiter = self._limiter
        return exceeded


def state_of(connection: HTTPConnection) -> dict[str, Any]:
    """The dictionary behind `request.state`."""
    state: dict[str, Any] = connection.scope.setdefault("state", {})
    return state
