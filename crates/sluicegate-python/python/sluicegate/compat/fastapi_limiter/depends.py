"""The limits of fastapi-limiter: dependencies of routes, and what a WebSocket's endpoint awaits."""

# FastAPI reads the annotations, which have to be classes: no `from __future__ import annotations` here.

from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import lru_cache
from inspect import Parameter, Signature
from math import ceil
from typing import Any

from anyio import sleep
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from ... import Charge, Denial, Limiter, Permit, Quota, StoreError
from ..._openapi import describe_limits, header, response
from ..._route import dependencies_of, route_of
from ..._unavailable import unavailable
from . import FastAPILimiter, client_address, default_identifier, http_default_callback, ws_default_callback
from .callback import default_callback
from .pyrate import accounts_of, is_limiter, quotas_of
from .route import name_of


class RateLimiter:
    """So many requests per window, as a dependency of a route, a router or an app: `Depends(RateLimiter(times=5, minutes=1))`.

    A window begins with its first request. What is denied costs nothing, in this limit and in the others of the request.
    `times=0` denies everything.

    As in fastapi-limiter 0.2.0 the limit may be one of pyrate-limiter: `RateLimiter(limiter=Limiter(Rate(5, Duration.MINUTE)))`.
    Each caller of each route then has these rates. The callback gets no time to wait, and `FastAPILimiter.init` is not needed.
    """

    # Here, for a subclass may have an __init__ of its own.
    limiter: Any = None
    blocking: bool = False

    def __init__(
        self,
        times: int = 1,
        milliseconds: int = 0,
        seconds: int = 0,
        minutes: int = 0,
        hours: int = 0,
        identifier: Callable[..., Any] | None = None,
        callback: Callable[..., Any] | None = None,
        *,
        limiter: Any = None,
        blocking: bool = False,
    ) -> None:
        """`limiter` is what `pyrate_limiter` decides by; with `blocking`, requests wait until they may pass.

        Raises `ValueError` for a window that is not longer than nothing, or less than no requests, and `TypeError` for a limiter
        beside a window.
        """
        self.limiter, self.blocking = limiter, blocking
        self.identifier, self.callback = identifier, callback
        if is_limiter(times):
            # The order of fastapi-limiter 0.2.0: limiter, identifier, callback, blocking.
            self.limiter, times = times, 1
            self.identifier, milliseconds = identifier or milliseconds or None, 0  # type: ignore[assignment]
            self.callback, seconds = callback or seconds or None, 0  # type: ignore[assignment]
            self.blocking, minutes = blocking or bool(minutes), 0
        self.times = times
        self.milliseconds = milliseconds + 1000 * seconds + 60_000 * minutes + 3_600_000 * hours
        if self.limiter is None and not blocking:
            _quota(self.times, self.milliseconds)
        elif not is_limiter(self.limiter):
            raise TypeError("limiter is a pyrate_limiter.Limiter, and blocking is for one: RateLimiter(limiter=Limiter(Rate(5, 1000)))")
        elif (self.times, self.milliseconds) != (1, 0):
            raise TypeError("a limiter has its rates: give no times and no window beside it")

    async def __call__(self, request: HTTPConnection, response: Response) -> Any:
        # The store raises where nothing is initialised, whatever else is wrong.
        if not self._store().enabled or getattr(request.scope.get("endpoint"), "_skip_limiter", False):
            return None
        key = f"{FastAPILimiter.prefix}:{await self._caller(request)}:{self._place(request.scope)}"
        pexpire, permit = await self._decide(key)
        taken: list[Permit] = request.scope.setdefault(_TAKEN, [])
        if permit is not None:
            taken.append(permit)
        if not pexpire:
            return None
        try:
            return await self._called(FastAPILimiter.http_callback or http_default_callback, pexpire, request, response)
        except Exception:
            # The request ends here, so its earlier limits get back what they gave.
            for permit in taken:
                with suppress(StoreError):
                    await permit.settle_async(*(0 for _ in permit.balances))
            taken.clear()
            raise

    def describe_429(self, app: Any, route: Any) -> dict[str, Any] | None:
        """The 429 of the default callback. What another says is not known."""
        if getattr(route.endpoint, "_skip_limiter", False):
            return None
        callback = self.callback
        if callback is None or callback is default_callback:
            callback = FastAPILimiter.http_callback or http_default_callback
        kind = "application/json" if callback is http_default_callback else None
        headers = {"Retry-After": header("Seconds to wait.", "integer")} if kind else {}
        schema = {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
        return response("Too Many Requests", headers, kind, schema)

    async def _check(self, key: str) -> int:
        """Takes one from the account of this key: 0, or for how many milliseconds there is none left."""
        return (await self._take(key))[0]

    async def _decide(self, key: str) -> tuple[int, Permit | None]:
        if type(self)._check is not RateLimiter._check:
            # A subclass counts in its own way.
            return await self._check(key), None
        return await self._take(key)

    def _store(self) -> Limiter:
        """The limiter with the accounts."""
        if self.limiter is not None and FastAPILimiter.redis is None:
            return accounts_of(self.limiter)
        return FastAPILimiter.limiter()

    async def _called(self, shared: Callable[..., Any], pexpire: int, *arguments: Any) -> Any:
        """Calls this limit's callback, or else that of all limits."""
        callback = self.callback
        if callback is None or callback is default_callback:
            callback = shared
        elif self.limiter is not None:
            return await _awaited(callback(*arguments))
        return await _awaited(callback(*arguments, pexpire))

    async def _take_rates(self, key: str) -> tuple[int, Permit | None]:
        """Decides by the rates of pyrate-limiter, or asks a limiter that keeps its accounts elsewhere."""
        quotas = quotas_of(self.limiter)
        if quotas is None:
            passes = await _awaited(self.limiter.try_acquire_async(key, blocking=self.blocking))
            return 0 if passes else 1000, None
        charges = [Charge(f"{key}:{name}", quota) for name, quota in quotas]
        while True:
            decision: Permit | Denial = await self._store().take_async(charges)
            if isinstance(decision, Permit):
                return 0, decision
            wait = decision.retry_after or 0
            if not self.blocking:
                return ceil(wait * 1000) or 1, None
            await sleep(max(wait, _SHORTEST_SLEEP))

    async def _take(self, key: str) -> tuple[int, Permit | None]:
        if self.limiter is not None:
            try:
                return await self._take_rates(key)
            except StoreError as error:
                raise unavailable() from error
        quota = _quota(self.times, self.milliseconds)
        if quota is None:
            return self.milliseconds, None
        try:
            decision: Permit | Denial = await FastAPILimiter.limiter().take_async(key, quota)
        except StoreError as error:
            raise unavailable() from error
        if isinstance(decision, Permit):
            return 0, decision
        return ceil((decision.retry_after or 0) * 1000) or 1, None

    async def _caller(self, request: HTTPConnection) -> object:
        identifier = self.identifier or FastAPILimiter.identifier or default_identifier
        caller = await _awaited(identifier(request))
        # Without an identity, the client's address stands: leaving a header out must not lead to a shared account.
        return client_address(request) if caller is None or caller == "" else caller

    def _place(self, scope: MutableMapping[str, Any]) -> str:
        """The route, and which of its limits this is: no two limits of an app share an account."""
        route = route_of(scope)
        place = (id(route), scope.get("root_path"))
        # Made here, for a subclass may have an __init__ of its own.
        places: dict[tuple[int, str | None], tuple[Any, str]] = self.__dict__.setdefault("_places", {})
        known = places.get(place)
        if known is not None:
            return known[1]
        others = list(dict.fromkeys(call for call in dependencies_of(route) if isinstance(call, RateLimiter)))
        # One that is called by hand is in no list. Its quota distinguishes it from others.
        number: object = others.index(self) if self in others else self._amount()
        name = f"{name_of(scope, route)}:{number}"
        if len(places) >= _MOST:
            # A mount with a parameter has paths without number. The accounts stay.
            places.clear()
        # With the route, so that nothing else gets its id.
        places[place] = (route, name)
        return name


    def _amount(self) -> str:
        """The part of a key that distinguishes this limit from others."""
        return "rates" if self.limiter is not None else f"{self.times}/{self.milliseconds}"


class WebSocketRateLimiter(RateLimiter):
    """So many messages per window: `await limiter(websocket, context_key=…)` wherever one counts.

    Each `context_key` has an account of its own, so a message can be counted under what it is about.
    """

    describe_429 = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # As a dependency it would let clients choose the key by a parameter of the URL, and escape the limit.
        self.__signature__ = Signature([Parameter("ws", Parameter.POSITIONAL_OR_KEYWORD, annotation=WebSocket)])

    async def __call__(self, ws: WebSocket, context_key: object = "") -> Any:  # type: ignore[override]
        if not self._store().enabled:
            return None
        # With its quota, because two limits of one connection are two accounts.
        key = f"{FastAPILimiter.prefix}:ws:{await self._caller(ws)}:{context_key}:{self._amount()}"
        pexpire, _ = await self._decide(key)
        if not pexpire:
            return None
        return await self._called(FastAPILimiter.ws_callback or ws_default_callback, pexpire, ws)


@lru_cache(maxsize=1024)
def _quota(times: int, milliseconds: int) -> Quota | None:
    """None where nothing is allowed, which no quota says."""
    if times < 0:
        raise ValueError(f"a limit of {times} requests allows less than nothing: times is 0 or more")
    if milliseconds <= 0:
        raise ValueError("a limit needs a window: give it some milliseconds, seconds, minutes or hours")
    return Quota.of(times, milliseconds / 1000, algorithm="fixed-window") if times else None


async def _awaited(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


describe_limits()

# Two requests of one caller wait for one unit: the second waits again.
_SHORTEST_SLEEP = 0.001
_MOST = 10_000
_TAKEN = "sluicegate.fastapi_limiter.taken"
