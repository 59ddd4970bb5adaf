"""The charges of one request, and its admission."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from starlette.requests import HTTPConnection

from ..._native import Charge, Denial, Permit, Quota
from .call import settled
from .overrides import Listed
from .wrappers import Limit, LimitGroup, units

if TYPE_CHECKING:
    from .extension import Limiter
    from .storage import Storage

Group: TypeAlias = LimitGroup | Listed

OutageMode: TypeAlias = Literal["local", "allow", "deny"] | None
"""What becomes of a request while the store does not answer; None where the store's own setting says."""


class Line(NamedTuple):
    """One limit that holds for a request, and what it takes."""

    limit: Limit
    parts: list[str]
    account: str
    quota: Quota
    cost: int


class Biller:
    """Writes the bills of a limiter: the parts of keys that are its own."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    async def bill(
        self, groups: Iterable[Group], connection: HTTPConnection, place: str, storage: Storage, awaits: bool
    ) -> list[Line]:
        """The lines for a request to a place: its path, or its endpoint's name."""
        lines: list[Line] = []
        key_prefix = self._limiter._key_prefix
        method = connection.scope.get("method", "")
        for group in groups:
            fixed = group.fixed
            for limit in await limits_of(group, connection, awaits) if fixed is None else fixed:
                if limit.methods is not None and method.lower() not in limit.methods:
                    continue
                if limit.exempts is not None and await settled(limit.exempts(connection), awaits):
                    continue
                parts = [await self._key(limit, connection, awaits), await _scope(limit, connection, place, awaits)]
                if limit.per_method:
                    parts[-1] += f":{method}"
                if key_prefix:
                    parts.insert(0, key_prefix)
                cost = limit.fixed_cost
                if limit.cost_of is not None:
                    cost = units(await settled(limit.cost_of(connection), awaits))
                quota = limit.quota
                if quota is None or limit.strategy is not storage.strategy:
                    quota = limit.quota = storage.quota(limit.limit)
                    limit.strategy = storage.strategy
                account = f"{limit.limit.namespace}/{'/'.join(parts)}{limit.tail}"
                lines.append(Line(limit, parts, account, quota, cost))
        return lines

    async def _key(self, limit: Limit, connection: HTTPConnection, awaits: bool) -> str:
        """The owner of the account: the client's address if the key function returns nothing, so that the request
        is neither unlimited nor on a shared account."""
        key = limit.key_of(connection)
        if key.__class__ is not str:
            key = await settled(key, awaits)
            key = "" if key is None else str(key)
        return key or self._limiter.trusted_proxies.client(connection)


async def limits_of(group: Group, connection: HTTPConnection, awaits: bool) -> Sequence[Limit]:
    """The limits of a group for a request."""
    return group.fixed if group.fixed is not None else await group.limits(connection, awaits)


async def take(lines: list[Line], storage: Storage, outage: OutageMode, awaits: bool) -> Permit | Denial:
    """Takes all of it or nothing."""
    native = storage.native
    if len(lines) == 1 and outage is None:
        line = lines[0]
        if awaits and storage.elsewhere:
            return await native.take_async(line.account, line.quota, line.cost)
        return native.take(line.account, line.quota, line.cost)
    charges = [Charge(line.account, line.quota, line.cost, outage=outage) for line in lines]
    if awaits and storage.elsewhere:
        return await native.take_async(charges)
    return native.take(charges)


async def hit_in_turn(lines: list[Line], strategy: Any, awaits: bool) -> Line | None:
    """Asks another's strategy line by line, up to the one that denies."""
    for line in lines:
        if not await settled(strategy.hit(line.limit.limit, *line.parts, cost=line.cost), awaits):
            return line
    return None


def shown(lines: list[Line]) -> int:
    """The index of the line that an admitted request's headers show: the first with the shortest period."""
    return min(range(len(lines)), key=lambda index: lines[index].limit.limit.GRANULARITY.seconds)


async def _scope(limit: Limit, connection: HTTPConnection, place: str, awaits: bool) -> str:
    scope = limit.scope_for(connection, place)
    if scope.__class__ is not str:
        scope = await settled(scope, awaits)
    return str(scope or place)
