"""The middleware: default and application limits for routes without a decorator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .call import at_once, settled
from .endpoint import limited_by
from .extension import Limiter
from .openapi import described
from .overrides import INJECT, overridden
from .refusal import answer
from .routes import Routes, find_endpoint, handler_of


def _describe_429(app: Any, route: Any, method: str, *_args: Any, **_kwargs: Any) -> dict[str, Any] | None:
    limiter = getattr(app.state, "limiter", None)
    if limiter is None or not limiter.enabled or not (limiter._application_limits or limiter._default_limits):
        return None
    endpoint = handler_of(route.endpoint, method)
    # What its decorators check, they describe.
    return None if _should_exempt(limiter, endpoint) else described(limiter, app)


class SlowAPIASGIMiddleware:
    """Limits HTTP requests; the answers, and WebSockets, pass as they are. The limiter is `app.state.limiter`."""

    describe_429 = staticmethod(_describe_429)

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._routes = Routes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        app = scope.get("app", self.app)
        limiter = app.state.limiter
        if not limiter.enabled:
            return await self.app(scope, receive, send)
        endpoint = self._routes.endpoint(app, scope)
        if endpoint is None:
            return await self.app(scope, receive, send)
        endpoint = handler_of(endpoint, scope["method"])
        if limited_by(limiter, endpoint)[1]:
            return await self.app(scope, receive, send)
        request = Request(scope, receive, send)
        if not limiter._auto_check or not limiter._due(request):
            return await self.app(scope, receive, send)
        try:
            await limiter._checks.for_middleware(request, endpoint, True)
        except Exception as raised:
            response = await answer(app, request, raised)
            return await response(scope, receive, send)
        body = vars(request).get("_body")
        await self.app(
            scope,
            receive if body is None else _again(body, receive),
            _with_headers(limiter, scope, send) if limiter._injects_asgi else send,
        )


class SlowAPIMiddleware(BaseHTTPMiddleware):
    """The same. A class that is made of it may have a `dispatch` of its own."""

    describe_429 = staticmethod(_describe_429)

    def __init__(self, app: ASGIApp, dispatch: Any = None) -> None:
        super().__init__(app, dispatch)
        self._plain = SlowAPIASGIMiddleware(app)
        self._own_dispatch = dispatch is not None or type(self).dispatch is not SlowAPIMiddleware.dispatch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._own_dispatch or self._injects_otherwise(scope):
            await super().__call__(scope, receive, send)
        else:
            await self._plain(scope, receive, send)

    @staticmethod
    def _injects_otherwise(scope: Scope) -> bool:
        """Returns `True` if the limiter's `_inject_headers` was replaced; the new one needs a complete response."""
        limiter = getattr(getattr(scope.get("app"), "state", None), "limiter", None)
        return isinstance(limiter, Limiter) and overridden(limiter, INJECT)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        app, limiter = request.app, request.app.state.limiter
        if not limiter.enabled:
            return await call_next(request)
        endpoint = _find_route_handler(app.routes, request.scope)
        if _should_exempt(limiter, endpoint):
            return await call_next(request)
        error_response, should_inject_headers = await async_check_limits(limiter, request, endpoint, app)
        if error_response is not None:
            return error_response
        response = await call_next(request)
        if should_inject_headers:
            response = limiter._inject_headers(response, getattr(request.state, "view_rate_limit", None))
        return response


async def async_check_limits(
    limiter: Limiter, request: Request, handler: Callable[..., Any] | None, app: Starlette
) -> tuple[Response | None, bool]:
    """The answer to a request that may not pass, and whether the answer to one that may gets headers."""
    if not limiter._auto_check or not limiter._due(request):
        return None, False
    try:
        await limiter._checks.for_middleware(request, handler, True)
    except Exception as raised:
        return await answer(app, request, raised), False
    return None, True


def sync_check_limits(
    limiter: Limiter, request: Request, handler: Callable[..., Any] | None, app: Starlette
) -> tuple[Response | None, bool]:
    """The same for code that cannot await; an async exception handler must not wait for anything either."""
    if not limiter._auto_check or not limiter._due(request):
        return None, False
    try:
        at_once(settled(limiter._check_request_limit(request, handler, True), False))
    except Exception as raised:
        return at_once(answer(app, request, raised)), False
    return None, True


def _find_route_handler(routes: Iterable[BaseRoute], scope: MutableMapping[str, Any]) -> Callable[..., Any] | None:
    endpoint = find_endpoint(routes, scope)
    return None if endpoint is None else handler_of(endpoint, scope["method"])


def _get_route_name(handler: Callable[..., Any]) -> str:
    return f"{handler.__module__}.{handler.__name__}"


def _should_exempt(limiter: Limiter, handler: Callable[..., Any] | None) -> bool:
    """Returns `True` if the middleware has nothing to do: no route, an exempt one, or one whose decorator checks
    its limits."""
    return handler is None or limiter._is_exempt(handler) or limited_by(limiter, handler)[1]


def _with_headers(limiter: Limiter, scope: Scope, send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            limiter._inject_asgi_headers(headers, scope["state"].get("view_rate_limit"))
            message = {**message, "headers": headers.raw}
        await send(message)

    return send_with_headers


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands a body that a key function has read to the endpoint."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return left.pop() if left else await receive()

    return receive_again
