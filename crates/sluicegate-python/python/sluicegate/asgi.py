"""`RateLimitMiddleware`: a policy file before any ASGI app."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from os import PathLike
from typing import Any

from ._decisions import PERMIT, answered, decided, log_denial
from ._native import Gate, Limiter, Pass, Policy

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class RateLimitMiddleware:
    """Limits an ASGI app, whatever it is made with, by a policy file.

        app.add_middleware(RateLimitMiddleware, policy="sluicegate.toml")

    Requests are decided as by the gateway: same routes, keys, tiers, meters and answers. `[gateway] upstream`, `listen` and
    the like are the gateway's own and mean nothing here. Streams and WebSockets pass untouched, but for the header lines that
    tell a client what it has left. While `[warmup]` lasts, the app itself is asked for `ready` once a second.

    `policy` is a path, a mapping of the same shape, or a `Policy`. A `limiter` brings a policy and a store of its own.
    """

    def __init__(
        self,
        app: App,
        policy: Policy | str | PathLike[str] | Mapping[str, Any] | None = None,
        *,
        limiter: Limiter | None = None,
    ) -> None:
        if policy is not None and limiter is not None:
            raise TypeError("a limiter has a policy: give either, not both")
        if limiter is None:
            limiter = Limiter(policy=policy)
        self.app = app
        self.limiter = limiter
        self._gate = Gate(limiter)
        self._chores: asyncio.Task[None] | None = None
        self._has_chores = limiter.warming_up is not None or limiter.has_api_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if self._has_chores and (self._chores is None or self._chores.done()):
            self._chores = asyncio.ensure_future(self._do_chores())
        if kind != "http" and kind != "websocket":
            await self.app(scope, receive, send)
            return
        decision = self._gate.enter(scope)
        if type(decision) is not Pass:
            body = _Body(receive)
            decision = await decided(decision, body.read)
            receive = body.receive
            if type(decision) is not Pass:
                log_denial(decision)
                await answered(decision, scope, send)
                return
        scope[PERMIT] = decision
        if not decision.lines:
            passed_on = send
        else:

            async def passed_on(message: Message) -> None:
                if message["type"] in _STARTS:
                    message["headers"] = decision.applied(message.get("headers", ()))
                await send(message)

        try:
            await self.app(scope, receive, passed_on)
        finally:
            decision.release()

    async def _do_chores(self) -> None:
        """Asks the app whether it is ready, and reads the file of API keys again when it has changed."""
        while True:
            path = self.limiter.warming_up
            if path is not None and await _is_ready(self.app, path):
                self.limiter.ready()
            self.limiter.refresh()
            await asyncio.sleep(_PACE)


class _Body:
    """A body that has been read to find a cost in it, and that the app reads once more."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: list[Message] = []

    async def read(self, limit: int) -> bytes | None:
        """The whole body; none where it is longer than the limit, or never comes."""
        chunks: list[bytes] = []
        length = 0
        while True:
            message = await self._receive()
            self._read.append(message)
            if message["type"] != "http.request":
                return None
            chunk = message.get("body", b"")
            length += len(chunk)
            if length > limit:
                return None
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def receive(self) -> Message:
        if self._read:
            return self._read.pop(0)
        return await self._receive()


async def _is_ready(app: App, path: str) -> bool:
    """Whether the app answers 200 there: asked within the process, past the limits."""
    status = 0
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
        "state": {},
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    # An app that fails is not ready, and has said why itself.
    with contextlib.suppress(Exception):
        await app(scope, receive, send)
    return status == 200


_PACE = 1.0
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
