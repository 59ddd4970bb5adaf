"""The equivalent of slowapi's `storage_uri` and `storage_options` in our stores."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

logger = logging.getLogger("slowapi")


def store_table(uri: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The `[store]` table of a policy that says the same.

    What has no meaning here is told and ignored. Raises `ValueError` for what would make a difference: a kind of store that
    there is not, a client object, a certificate.
    """
    scheme, separator, rest = uri.partition("://")
    scheme = scheme.lower().removeprefix("async+")
    if scheme.startswith("mongodb"):
        raise ValueError("limits cannot be kept in MongoDB: use redis://, memcached:// or memory://")
    if not separator or scheme.split("+")[0] not in _SCHEMES:
        raise ValueError(f"no store is called {uri!r}: use redis://, valkey://, memcached:// or memory://")
    table: dict[str, Any] = {"url": f"{scheme}://{rest}"}
    if scheme == "memory":
        table["url"] = "memory://"
    waits: list[float] = []
    for name, value in options.items():
        if name in _REFUSED:
            raise ValueError(f"storage_options[{name!r}] is not possible here: {_REFUSED[name]}")
        if name in _WAITS:
            waits += [] if value is None else [float(value)]
        elif name == "key_prefix":
            table["prefix"] = str(value).rstrip(":")
        elif name == "ssl_ca_certs":
            table["ca"] = str(value)
        elif name == "ssl_cert_reqs":
            _refuse_unchecked_certificates(value)
        elif name not in ("username", "password"):
            logger.warning("storage_options[%r] has no meaning here and is ignored", name)
    if waits:
        table["timeout"] = f"{min(max(round(max(waits) * 1000), 1), _LONGEST_WAIT)}ms"
    if options.get("password") is not None and scheme != "memory":
        table["url"] = _signed_in(table["url"], options.get("username"), options["password"])
    return table


def _signed_in(url: str, username: object, password: object) -> str:
    """The URL with a name and a password, unless it has them."""
    if "@" in urlsplit(url).netloc:
        return url
    scheme, _, rest = url.partition("://")
    name, secret = quote(str(username or ""), safe=""), quote(str(password), safe="")
    if scheme.endswith("+unix"):
        user = f"username={name}&" if name else ""
        return f"{url}{'&' if '?' in rest else '?'}{user}password={secret}"
    return f"{scheme}://{name}:{secret}@{rest}"


def _refuse_unchecked_certificates(value: object) -> None:
    if str(value).lower() not in ("required", "verifymode.cert_required", "2"):
        raise ValueError("storage_options['ssl_cert_reqs'] must be 'required': a certificate that nobody checks proves nothing")


_SCHEMES = ("memory", "redis", "rediss", "valkey", "valkeys", "memcached")
_WAITS = ("socket_timeout", "socket_connect_timeout", "stream_timeout", "connect_timeout", "timeout")
# Redis shall not hold up requests for longer; the outage policy decides then.
_LONGEST_WAIT = 1000
_REFUSED = {
    "connection_pool": "name the server by its URL",
    "sentinel_kwargs": "name and password are the URL's",
    "ssl_certfile": "clients do not sign in by certificates",
    "ssl_keyfile": "clients do not sign in by certificates",
}
