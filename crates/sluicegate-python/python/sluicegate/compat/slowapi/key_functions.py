"""Key functions: whose account a request is charged to."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from .proxies import LOOPBACK, NOBODY


def get_ipaddr(request: HTTPConnection) -> str:
    """The address of the client, behind the proxies that the limiter trusts: `Limiter(…, trusted_proxies=["10.0.0.0/8"])`.

    `X-Forwarded-For` is read from the right, and from nobody else. Without trusted proxies this is `get_remote_address`.
    """
    limiter = request.scope.get("sluicegate.slowapi")
    if limiter is None and "app" in request.scope:
        limiter = getattr(request.app.state, "limiter", None)
    return getattr(limiter, "trusted_proxies", NOBODY).client(request)


def get_remote_address(request: HTTPConnection) -> str:
    """The address of who has connected, or 127.0.0.1 where there is none."""
    client = request.client
    return client.host if client and client.host else LOOPBACK
