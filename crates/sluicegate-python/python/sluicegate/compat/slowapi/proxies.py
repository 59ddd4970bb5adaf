"""The proxies whose `X-Forwarded-For` is believed."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import HTTPConnection

from ..._native import ClientIp


class TrustedProxies:
    """The networks of an app's own proxies, and `unix` for peers on a Unix socket: none, unless they are named."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises `ValueError` for what is no network."""
        self._client = ClientIp([network.strip() for network in networks], ipv6_prefix=_WHOLE)

    def client(self, connection: HTTPConnection) -> str:
        """The address of a connection's client: the right-most of its hops that is no trusted proxy."""
        peer = connection.client.host if connection.client else ""
        headers = connection.headers
        hops = headers.getlist("x-forwarded-for") or headers.getlist("x_forwarded_for")
        return (self._client.of(peer, hops) if hops else peer) or LOOPBACK


LOOPBACK = "127.0.0.1"
"""The client of a connection that does not tell, as in slowapi."""

# Keys are addresses, as before, and not their networks.
_WHOLE = 128
NOBODY = TrustedProxies()
