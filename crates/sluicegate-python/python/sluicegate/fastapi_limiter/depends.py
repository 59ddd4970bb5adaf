"""The limits of fastapi-limiter: dependencies of routes, and what a WebSocket's endpoint awaits."""

# FastAPI reads the annotations, which have to be classes: no `from __future__ import annotations` here.

from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import lru_cache
from inspect import Parameter, Signature
from math import ceil
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from .. import Denial, Permit, Quota, StoreError
from .._route import route_of
from .._unavailable import unavailable
from . import FastAPILimiter, client_address, default_identifier, http_default_callback, ws_default_callback
from .route import dependencies_of, name_of


class RateLimiter:
    """So many requests per window, as a dependency of a route, a router or an app: `Depends(RateLimiter(times=5, minutes=1))`.

    A window begins with its first request. What is denied costs nothing, in this limit and in the others of the request.
    `times=0` denies everything.
    """

    def __init__(
        self,
        times: int = 1,
        milliseconds: int = 0,
        seconds: int = 0,
        minutes: int = 0,
        hours: int = 0,
        identifier: Callable[..., Any] | None = None,
        callback: Callable[..., Any] | None = None,
    ) -> None:
        """Raises `ValueError` for a window that is not longer than nothing, or less than no requests."""
        self.times = times
        self.milliseconds = milliseconds + 1000 * seconds + 60_000 * minutes + 3_600_000 * hours
        self.identifier = identifier
        self.callback = callback
        _quota(self.times, self.milliseconds)

    async def __call__(self, request: HTTPConnection, response: Response) -> Any:
        FastAPILimiter.limiter()  # raises where nothing is initialised, whatever else is wrong
        key = f"{FastAPILimiter.prefix}:{await self._caller(request)}:{self._place(request.scope)}"
        pexpire, permit = await self._decide(key)
        taken: list[Permit] = request.scope.setdefault(_TAKEN, [])
        if permit is not None:
            taken.append(permit)
        if not pexpire:
            return None
        callback = self.callback or FastAPILimiter.http_callback or http_default_callback
        try:
            return await _called(callback, request, response, pexpire)
        except Exception:
            # The request ends here, so its earlier limits get back what they gave.
            for permit in taken:
                with suppress(StoreError):
                    await permit.settle_async(0)
            taken.clear()
            raise

    async def _check(self, key: str) -> int:
        """Takes one from the account of this key: 0, or for how many milliseconds there is none left."""
        return (await self._take(key))[0]

    async def _decide(self, key: str) -> tuple[int, Permit | None]:
        if type(self)._check is not RateLimiter._check:
            # A subclass counts in its own way.
            return await self._check(key), None
        return await self._take(key)

    async def _take(self, key: str) -> tuple[int, Permit | None]:
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
        caller = identifier(request)
        if hasattr(caller, "__await__"):
            caller = await caller
        # Who is nobody is whoever asks: a header left out must not lead to an account that all share.
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
        # One that is called by hand stands in no list; what it allows tells it from others.
        number: object = others.index(self) if self in others else f"{self.times}/{self.milliseconds}"
        name = f"{name_of(scope, route)}:{number}"
        if len(places) >= _MOST:
            # A mount with a parameter has paths without number. The accounts stay.
            places.clear()
        # With the route, so that nothing else gets its id.
        places[place] = (route, name)
        return name


class WebSocketRateLimiter(RateLimiter):
    """So many messages per window: `await limiter(websocket, context_key=…)` wherever one counts.

    Each `context_key` has an account of its own, so a message can be counted under what it is about.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # As a dependency it would let clients choose the key by a parameter of the URL, and escape the limit.
        self.__signature__ = Signature([Parameter("ws", Parameter.POSITIONAL_OR_KEYWORD, annotation=WebSocket)])

    async def __call__(self, ws: WebSocket, context_key: object = "") -> Any:  # type: ignore[override]
        FastAPILimiter.limiter()
        # With what it allows, for two limits of one connection are two accounts.
        amount = f"{self.times}/{self.milliseconds}"
        key = f"{FastAPILimiter.prefix}:ws:{await self._caller(ws)}:{context_key}:{amount}"
        pexpire, _ = await self._decide(key)
        if not pexpire:
            return None
        return await _called(self.callback or FastAPILimiter.ws_callback or ws_default_callback, ws, pexpire)


@lru_cache(maxsize=1024)
def _quota(times: int, milliseconds: int) -> Quota | None:
    """None where nothing is allowed, which no quota says."""
    if times < 0:
        raise ValueError(f"a limit of {times} requests allows less than nothing: times is 0 or more")
    if milliseconds <= 0:
        raise ValueError("a limit needs a window: give it some milliseconds, seconds, minutes or hours")
    return Quota.of(times, milliseconds / 1000, algorithm="fixed-window") if times else None


async def _called(callback: Callable[..., Any], *arguments: Any) -> Any:
    result = callback(*arguments)
    return await result if hasattr(result, "__await__") else result


_MOST = 10_000
_TAKEN = "sluicegate.fastapi_limiter.taken"
