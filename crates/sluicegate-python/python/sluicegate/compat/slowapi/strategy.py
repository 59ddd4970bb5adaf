"""The strategies by slowapi's names, and `limiter.limiter`: one account at a time, for who asks without a request."""

from __future__ import annotations

import time
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._native import Charge, Quota
from .item import RateLimitItem
from .wrappers import units

if TYPE_CHECKING:
    from ..._native import Algorithm
    from .storage import Storage

STRATEGIES: dict[str, Algorithm] = {
    "fixed-window": "fixed-window",
    "moving-window": "sliding-log",
    "sliding-window-counter": "sliding-window",
}


class WindowStats(NamedTuple):
    """The time when an account is full again, in seconds of Unix time, and its remaining amount."""

    reset_time: float
    remaining: int


class RateLimiter:
    """Hits, tests and clears accounts. It waits for a store elsewhere, so keep it out of event loops there."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Charges the account, if it has enough."""
        return bool(self.storage.native.take(self._charge(item, identifiers, cost)))

    def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Returns `True` if the account has enough, charging nothing."""
        return self.storage.native.peek(self._charge(item, identifiers)).remaining >= units(cost)

    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        balance = self.storage.native.peek(self._charge(item, identifiers))
        return WindowStats(time.time() + balance.reset_after, int(balance.remaining))

    def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        """Forgets what the account has spent."""
        self.storage.clear(item.key_for(*identifiers))

    def _charge(self, item: RateLimitItem, identifiers: tuple[str, ...], cost: int = 1) -> Charge:
        return Charge(item.key_for(*identifiers), self.storage.quota(item), units(cost))


def is_own(strategy: Any) -> bool:
    """Returns `True` for a `RateLimiter` as it is written, on whose storage several limits are taken all or none."""
    return type(strategy) is RateLimiter and "hit" not in strategy.__dict__ and RateLimiter.hit is _HIT


def limiter_on(storage: Any, strategy: str) -> Any:
    """The strategy that decides on a storage: one of ours, or one of the package limits, whose strategies decide on
    those.

    Raises `TypeError` for any other.
    """
    if hasattr(storage, "native"):
        return RateLimiter(storage)
    for kind in type(storage).__mro__:
        package, _, rest = kind.__module__.partition(".")
        if package == "limits":
            strategies = import_module("limits.aio.strategies" if rest.startswith("aio") else "limits.strategies")
            return strategies.STRATEGIES[strategy](storage)
    raise TypeError(
        f"{storage!r} is no storage of a sluicegate.slowapi.Limiter, nor of the package limits. What decides in another way "
        "is set as limiter._limiter, and has a method hit(limit, *identifiers, cost=1)"
    )


@lru_cache(maxsize=1024)
def quota_of(amount: int, seconds: int, strategy: str) -> Quota:
    """The quota of a limit. A log of more than 128 requests costs too much: a sliding window is as near as that."""
    algorithm = STRATEGIES[strategy]
    if algorithm == "sliding-log" and amount > _LONGEST_LOG:
        algorithm = "sliding-window"
    return Quota.of(amount, float(seconds), algorithm=algorithm)


_HIT = RateLimiter.hit
_LONGEST_LOG = 128
