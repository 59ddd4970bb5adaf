"""The store that a client of redis-py is connected to.

`redis.asyncio.Redis`, its pools, `Sentinel.master_for` and `RedisCluster` are read, and so are those of the packages that
descend from redis-py: valkey-py and aioredis. Nothing of them is imported: this package needs none of them.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote


class UnreadableClient(TypeError):
    """The server of this client could not be determined. The text has the reason, and an alternative."""


def store_of(client: object) -> dict[str, str]:
    """The `[store]` table that leads to the client's server: a `url`, and a `ca` where the client trusts one.

    >>> store_of(redis.asyncio.from_url("rediss://limiter:secret@cache:6380/2"))
    {'url': 'rediss://limiter:secret@cache:6380/2'}

    Raises `UnreadableClient`, which never repeats a password.
    """
    if _is_fake(client):
        # A server that is in this process's memory already.
        return {"url": "memory://"}
    nodes = getattr(getattr(client, "nodes_manager", None), "startup_nodes", None)
    if isinstance(nodes, Mapping):
        return _cluster(client, nodes.values())
    pool = getattr(client, "connection_pool", None)
    settings = getattr(pool, "connection_kwargs", None)
    kinds = _kinds(getattr(pool, "connection_class", None))
    if not isinstance(settings, Mapping) or not kinds & {"Connection", "UnixDomainSocketConnection"}:
        raise _unreadable(f"its server cannot be found out from a {type(client).__module__}.{type(client).__qualname__}")
    if hasattr(pool, "sentinel_manager"):
        return _sentinel(pool, settings, kinds)
    if "UnixDomainSocketConnection" in kinds:
        return {"url": _socket(settings)}
    place = _node(settings.get("host") or "localhost", settings.get("port") or 6379)
    url = f"{_scheme(kinds)}://{_login(settings)}{place}{_database(settings)}"
    return {"url": url, **_trust(settings, kinds)}


def _cluster(client: object, nodes: Iterable[Any]) -> dict[str, str]:
    # In redis.asyncio the settings are the client's, in redis the nodes manager's.
    settings = getattr(client, "connection_kwargs", None) or client.nodes_manager.connection_kwargs  # type: ignore[attr-defined]
    kinds = _kinds(settings.get("connection_class"))
    if settings.get("ssl"):
        kinds = kinds | {"SSLConnection"}
    hosts = ",".join(_node(node.host, node.port) for node in nodes)
    return {"url": f"{_scheme(kinds)}+cluster://{_login(settings)}{hosts}", **_trust(settings, kinds)}


def _sentinel(pool: Any, settings: Mapping[str, Any], kinds: set[str]) -> dict[str, str]:
    if not pool.is_master:
        raise _unreadable("it asks replicas, which cannot be written to; give that of Sentinel.master_for(NAME)")
    sentinels = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    for sentinel in sentinels:
        if sentinel.connection_kwargs.get("password"):
            raise _unreadable("its sentinels want a password, which is not supported")
        if ("SSLConnection" in _kinds(sentinel.connection_class)) != ("SSLConnection" in kinds):
            raise _unreadable("either its sentinels or its servers are asked through TLS; both or none of them can be")
    hosts = ",".join(
        _node(sentinel.connection_kwargs.get("host") or "localhost", sentinel.connection_kwargs.get("port") or 26379)
        for sentinel in sentinels
    )
    service = quote(_text(pool.service_name), safe="")
    url = f"{_scheme(kinds)}+sentinel://{_login(settings)}{hosts}/{service}{_database(settings)}"
    return {"url": url, **_trust(settings, kinds)}


def _socket(settings: Mapping[str, Any]) -> str:
    username, password = _credentials(settings)
    parameters = {"db": settings.get("db"), "username": username, "password": password}
    written = "&".join(f"{name}={quote(_text(value), safe='')}" for name, value in parameters.items() if value)
    return f"redis+unix://{quote(_text(settings['path']))}" + (f"?{written}" if written else "")


def _scheme(kinds: set[str]) -> str:
    return "rediss" if "SSLConnection" in kinds else "redis"


def _node(host: str, port: int | str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{quote(_text(host), safe='')}:{port}"


def _database(settings: Mapping[str, Any]) -> str:
    number = settings.get("db") or 0
    return f"/{int(number)}" if number else ""


def _login(settings: Mapping[str, Any]) -> str:
    username, password = _credentials(settings)
    if not username and not password:
        return ""
    return f"{quote(_text(username or ''), safe='')}:{quote(_text(password or ''), safe='')}@"


def _credentials(settings: Mapping[str, Any]) -> tuple[Any, Any]:
    provider = settings.get("credential_provider")
    if provider is None:
        return settings.get("username"), settings.get("password")
    # One that hands out what it was given can be read once; another gives a new password each hour.
    if type(provider).__name__ != "UsernamePasswordCredentialProvider":
        raise _unreadable(f"its password comes from a {type(provider).__qualname__}, which can change it at any time")
    return provider.username, provider.password


def _trust(settings: Mapping[str, Any], kinds: set[str]) -> dict[str, str]:
    """The settings of TLS, as far as they are unusual."""
    if "SSLConnection" not in kinds:
        return {}
    if settings.get("ssl_cert_reqs", ssl.CERT_REQUIRED) in (None, "none", ssl.CERT_NONE):
        raise _unreadable(
            "it does not check the server's certificate; let it, with ssl_ca_certs where an authority of your own has signed that"
        )
    for name in ("ssl_certfile", "ssl_keyfile", "ssl_ca_data", "ssl_ca_path"):
        if settings.get(name):
            raise _unreadable(f"{name} is not supported; ssl_ca_certs, a file with root certificates, is")
    authority = settings.get("ssl_ca_certs")
    # A store's file stands beside its policy, which there is none of: the path has to be whole.
    return {"ca": os.path.abspath(authority)} if authority else {}


def _kinds(connection_class: object) -> set[str]:
    """The names of a class and of those that it descends from."""
    return {kind.__name__ for kind in connection_class.__mro__} if isinstance(connection_class, type) else set()


def _is_fake(client: object) -> bool:
    """Returns `True` if it is a fakeredis client, which tests use."""
    return any(kind.__module__.split(".")[0] == "fakeredis" for kind in type(client).__mro__)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _unreadable(why: str) -> UnreadableClient:
    return UnreadableClient(
        f"this Redis client cannot be used: {why}. A URL such as 'redis://user:password@host:6379/0' or a "
        "sluicegate.Limiter can be given instead"
    )
