"""The interface of fastapi-limiter 0.1.6 and 0.2.0, which `sluicegate.fastapi_limiter` shows under their names of modules."""

import logging
from collections.abc import Callable, Iterable, Mapping
from inspect import isawaitable
from math import ceil
from typing import Any, ClassVar

from fastapi import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.status import HTTP_429_TOO_MANY_REQUESTS
from starlette.websockets import WebSocket

from ... import Limiter, StoreError
from ..._native import ClientIp
from .redis_client import store_of

__all__ = [
    "FastAPILimiter",
    "default_identifier",
    "http_default_callback",
    "ws_default_callback",
]


async def default_identifier(request: HTTPConnection) -> str:
    """The client's address and the path.

    `X-Forwarded-For` is believed from the `trusted_proxies` of `FastAPILimiter.init`, and from nobody else. An IPv6
    address is cut to its network of 64 bits, for one customer owns all of them.
    """
    return f"{client_address(request)}:{request.scope['path']}"


async def http_default_callback(request: Request, response: Response, pexpire: int) -> None:
    """Answers 429, to be tried again in `pexpire` milliseconds."""
    _raise_too_many_requests(pexpire)


async def ws_default_callback(ws: WebSocket, pexpire: int) -> None:
    """Raises what the endpoint may catch, to be tried again in `pexpire` milliseconds."""
    _raise_too_many_requests(pexpire)


class FastAPILimiter:
    """The state that all limiters of a process share: the store, the trusted proxies, the responses.

    It is never instantiated. `redis` is what `init` was given, and None before; setting it to None undoes `init`.
    """

    redis: ClassVar[Any] = None
    prefix: ClassVar[str | None] = None
    identifier: ClassVar[Callable[..., Any] | None] = None
    http_callback: ClassVar[Callable[..., Any] | None] = None
    ws_callback: ClassVar[Callable[..., Any] | None] = None
    lua_sha: ClassVar[str | None] = None
    """Always None: nothing is called through the client, so there is no script either."""

    _client_ip: ClassVar[ClientIp] = ClientIp()
    _trusts: ClassVar[bool] = False
    _store: ClassVar[Mapping[str, Any]] = {}
    _opened: ClassVar[tuple[Any, Mapping[str, Any], Limiter] | None] = None

    @classmethod
    async def init(
        cls,
        redis: Any,
        prefix: str = "fastapi-limiter",
        identifier: Callable[..., Any] = default_identifier,
        http_callback: Callable[..., Any] = http_default_callback,
        ws_callback: Callable[..., Any] = ws_default_callback,
        *,
        trusted_proxies: Iterable[str] = (),
        store: Mapping[str, Any] | None = None,
    ) -> None:
        """Counts on `redis`: a client of `redis.asyncio`, the URL of a store, or a `sluicegate.Limiter`.

        Of a client only its settings are used; the engine opens a connection of its own. `identifier` and the callbacks
        may be functions or coroutine functions. `trusted_proxies` are addresses and networks whose `X-Forwarded-For` is
        believed. `store` is what the `[store]` table of a policy file may hold beside its `url`: `{"outage": "deny",
        "timeout": "50ms"}`.

        A server that does not answer yet stops nothing: limits go on by `outage`. One that refuses what it is asked, such as
        a password, raises `StoreError`.
        """
        proxies, settings = list(trusted_proxies), dict(store or {})
        client_ip = ClientIp(proxies)
        limiter = cls._open(redis, settings)
        try:
            await limiter.check_async()
        except StoreError as error:
            if error.misconfiguration:
                raise
            _log.warning("the store does not answer yet: %s", error)
        cls.redis, cls.prefix = redis, prefix
        cls.identifier, cls.http_callback, cls.ws_callback = identifier, http_callback, ws_callback
        cls._client_ip, cls._trusts = client_ip, bool(proxies)
        cls._store, cls._opened = settings, (redis, settings, limiter)

    @classmethod
    async def close(cls) -> None:
        """Closes the client that `init` was given, and the engine's own connection.

        As a client of redis-py, it can still be used: it connects again.
        """
        client, cls._opened = cls.redis, None
        if client is None or isinstance(client, (str, Limiter)):
            return
        # redis-py has called it so since 5.0.
        close = getattr(client, "aclose", None) or client.close
        closing = close()
        if isawaitable(closing):
            await closing

    @classmethod
    def limiter(cls) -> Limiter:
        """The limiter that decides. It is opened again if `redis` was set, or closed."""
        if cls._opened is not None and cls._opened[0] is cls.redis:
            return cls._opened[2]
        if cls.redis is None:
            raise RuntimeError("You must call FastAPILimiter.init in startup event of fastapi!")
        limiter = cls._open(cls.redis, cls._store)
        cls._opened = (cls.redis, cls._store, limiter)
        return limiter

    @classmethod
    def _open(cls, redis: Any, settings: Mapping[str, Any]) -> Limiter:
        # Some apps call init again whenever in doubt. That must not reset the counts.
        if cls._opened is not None and cls._opened[0] is redis and cls._opened[1] == settings:
            return cls._opened[2]
        if isinstance(redis, Limiter):
            if settings:
                raise TypeError("a Limiter has its store: give no settings of one beside it")
            return redis
        found = {"url": redis} if isinstance(redis, str) else store_of(redis)
        url = found.pop("url")
        return Limiter(url, {"store": {**found, **settings}})


def client_address(request: HTTPConnection) -> str:
    """The address whose account a client charges."""
    client = request.scope.get("client")
    forwarded = request.headers.getlist("x-forwarded-for") if FastAPILimiter._trusts else ()
    return FastAPILimiter._client_ip.of(client[0] if client else "", forwarded)


def _raise_too_many_requests(pexpire: int) -> None:
    wait = {"Retry-After": str(ceil(pexpire / 1000))}
    raise HTTPException(HTTP_429_TOO_MANY_REQUESTS, "Too Many Requests", headers=wait)


_log = logging.getLogger("sluicegate")
