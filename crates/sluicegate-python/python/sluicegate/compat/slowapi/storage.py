"""`limiter._storage`: what tests and scripts ask of the accounts by their names."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..._native import Charge, Limiter, Quota, StoreError
from .call import Count, Done
from .item import RateLimitItem, item_of
from .storage_url import store_table
from .strategy import quota_of


class Storage:
    """The accounts of a limiter. Whatever it returns may also be awaited, as that of slowapi's `async+` stores."""

    def __init__(self, uri: str, options: Mapping[str, Any], strategy: str) -> None:
        table = store_table(uri, options)
        url = table.pop("url")
        self.elsewhere = url != "memory://"
        """Whether a decision has to be waited for."""
        # A store elsewhere has a clock of its own, and tests move that of a store in memory.
        self.native = Limiter(url, {"store": table}, clock=None if self.elsewhere else "time.time")
        self.strategy = strategy
        self._denied: dict[str, tuple[int, float]] = {}

    def quota(self, item: RateLimitItem) -> Quota:
        """The quota that a limit has in this store."""
        return quota_of(item.amount, item.get_expiry(), self.strategy)

    def get(self, key: str) -> Count:
        """The number of hits of an account in its window. In memory it includes denied hits, which were not
        charged."""
        charge = self._charge(key)
        if charge is None:
            return Count(0)
        spent = charge.quota.amount - int(self.native.peek(charge).remaining)
        denied, ends = self._denied.get(key, (0, 0.0))
        return Count(spent + (denied if time.time() < ends else 0))

    def get_expiry(self, key: str) -> Count:
        """The time when the account is full again, in whole seconds of Unix time."""
        charge = self._charge(key)
        return Count(time.time() + (0 if charge is None else self.native.peek(charge).reset_after))

    def check(self) -> bool:
        """Returns `True` if the store responds."""
        try:
            self.native.check()
        except StoreError:
            return False
        return True

    def reset(self) -> Count:
        """Forgets all accounts. Raises `NotImplementedError` where they cannot be told apart from others."""
        try:
            self.native.clear()
        except StoreError as error:
            if "memcached" in self.native.store:
                raise NotImplementedError(str(error)) from error
            raise
        self._denied.clear()
        return Count(0)

    def clear(self, key: str) -> Done:
        """Forgets what one account has spent."""
        charge = self._charge(key)
        if charge is not None:
            self.native.reset(charge)
        self._denied.pop(key, None)
        return Done()

    def count_denied(self, key: str, cost: int, reset_after: float) -> None:
        """Remembers a denied hit, beside the account and only for `get`."""
        if self.elsewhere or len(key) > _LONGEST_KEY:
            return
        now = time.time()
        denied, ends = self._denied.get(key, (0, 0.0))
        if now >= ends:
            if len(self._denied) >= _MOST_DENIED:
                # The oldest one. Another thread may have taken it.
                self._denied.pop(next(iter(self._denied), key), None)
            self._denied.pop(key, None)
            denied, ends = 0, now + reset_after
        self._denied[key] = denied + cost, ends

    def _charge(self, key: str) -> Charge | None:
        item = item_of(key)
        return None if item is None else Charge(key, self.quota(item))


# Enough for any test; a crowd of denied callers shall not fill the memory.
_MOST_DENIED = 10_000
_LONGEST_KEY = 256
