"""Whose `X-Forwarded-For` is believed."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from starlette.requests import HTTPConnection

from .._native import ClientIp


class TrustedProxies:
    """The networks of an app's own proxies: none, unless they are named."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises `ValueError` for what is no network."""
        networks = [network.strip() for network in networks]
        self._client = ClientIp(networks, ipv6_prefix=_WHOLE)
        self._client_of_this_machine = ClientIp([*networks, _THIS_MACHINE], ipv6_prefix=_WHOLE)

    def client(self, connection: HTTPConnection) -> str:
        """The address of a connection's client: the right-most of its hops that is no trusted proxy.

        A peer that has no address, such as a Unix socket's or a test client, is on this machine, and believed.
        """
        peer = connection.client.host if connection.client else ""
        headers = connection.headers
        hops = headers.getlist("x-forwarded-for") or headers.getlist("x_forwarded_for")
        if not hops:
            return peer or LOOPBACK
        if _is_address(peer):
            return self._client.of(peer, hops)
        client = self._client_of_this_machine.of(_THIS_MACHINE, hops)
        return client if client != _THIS_MACHINE else peer or LOOPBACK


LOOPBACK = "127.0.0.1"
"""The client of a connection that does not tell, as in slowapi."""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


# Nobody connects from there.
_THIS_MACHINE = "0.0.0.0"
# Keys are addresses, as before, and not their networks.
_WHOLE = 128
NOBODY = TrustedProxies()
