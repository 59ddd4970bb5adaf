"""`RateLimitMiddleware`: a policy file before any ASGI app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from os import PathLike
from typing import Any

from ._background import BackgroundJobs
from ._decisions import PERMIT, answered, decided, log_denial
from ._metered import run_metered
from ._native import Answer, Gate, Limiter, Pass, Policy, Visit
from ._view import View

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
    tell a client what it has left. Where a route meters tokens, they are settled by the app's response when it ends, and a
    stream may be cut (`StreamCut`). While `[warmup]` lasts, the app itself is asked for `ready` once a second.

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
        self._view = View(app)
        jobs = BackgroundJobs(app, limiter)
        self._background = jobs if jobs.are_left else None

    @classmethod
    def describe_429(
        cls,
        app: Any,
        route: Any,
        method: str,
        policy: Policy | str | PathLike[str] | Mapping[str, Any] | None = None,
        *,
        limiter: Limiter | None = None,
    ) -> dict[str, Any] | None:
        """The answer to what the policy denies on a route, for the description of a FastAPI."""
        from .fastapi.openapi import problem_429

        if limiter is not None:
            policy = limiter.policy
        elif not isinstance(policy, Policy):
            policy = Limiter(policy=policy).policy
        return problem_429(app) if policy.is_limited(method, route.path_format) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan" and self._background is not None:
            await self._live(self._background, scope, receive, send)
            return
        if kind != "http" and kind != "websocket":
            await self.app(scope, receive, send)
            return
        if self._background is not None:
            # A server need not tell an app of its start.
            self._background.begin(scope.get("state"))
        decision = self._gate.enter(self._view.of(scope))
        if type(decision) is not Pass:
            if type(decision) is not Answer:
                body = _Body(receive)
                try:
                    decision = await decided(decision, body.read if kind == "http" else _no_body)
                except _Gone:
                    return
                receive = body.receive
            if type(decision) is Answer:
                log_denial(decision)
                await answered(decision, scope, send)
                return
        scope[PERMIT] = decision
        if decision.is_metered and kind == "http":
            await run_metered(self.app, decision, scope, receive, send)
            return

        # What `send` gives is awaited by the app: a coroutine around it would only cost.
        def passed_on(message: Message) -> Awaitable[None]:
            if message["type"] in _STARTS:
                # An app may send the same message again and again.
                message = {**message, "headers": decision.applied(message.get("headers", ()))}
            return send(message)

        try:
            await self.app(scope, receive, passed_on)
        finally:
            decision.release()

    async def _live(self, jobs: BackgroundJobs, scope: Scope, receive: Receive, send: Send) -> None:
        """The app's life, with the jobs between its start and its end."""

        async def observed_receive() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                jobs.end()
            return message

        async def observed_send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                jobs.begin(scope.get("state"))
            await send(message)

        try:
            await self.app(scope, observed_receive, observed_send)
        finally:
            jobs.end()


class _Body:
    """A body of which the beginning is read to find a cost or a key in it, and that the app reads from its start."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: list[Message] = []

    async def read(self, visit: Visit) -> None:
        """Reads as much of the body as the decision needs."""
        is_enough = False
        while not is_enough:
            message = await self._receive()
            self._read.append(message)
            if message["type"] != "http.request":
                raise _Gone
            is_enough = visit.take(message.get("body", b""), not message.get("more_body", False))

    async def receive(self) -> Message:
        if self._read:
            return self._read.pop(0)
        return await self._receive()


class _Gone(Exception):
    """The client has gone before it sent its request."""


async def _no_body(visit: Visit) -> None:
    """The empty body of a WebSocket's handshake."""
    visit.take(b"", True)


_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
