"""The limiters of pyrate-limiter, which fastapi-limiter 0.2.0 takes. Nothing of that package is imported."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from ... import Limiter, Quota


def is_limiter(given: object) -> bool:
    """Returns `True` for a `pyrate_limiter.Limiter`, and for whatever else is asked as one."""
    return callable(getattr(given, "try_acquire_async", None))


def quotas_of(limiter: Any) -> list[tuple[str, Quota]] | None:
    """The rates of `Limiter(Rate(…))`, each with a name for its account.

    Such a limiter has a single bucket in memory, which is one account of all callers, whatever key it is given. None for a
    limiter with another bucket, which decides by itself.
    """
    factory = getattr(limiter, "bucket_factory", None)
    bucket: Any = getattr(factory, "bucket", None)
    if _name(factory) != "SingleBucketFactory":
        return None
    if _name(bucket) == "InMemoryBucket":
        algorithm = _ALGORITHMS.get(_name(getattr(bucket, "_algorithm", None)), "sliding-log")
    elif _name(bucket) == "StateBucket" and _name(bucket.store) == "InMemoryStateStore":
        algorithm = "token-bucket"
        if any(rate.burst != rate.limit for rate in bucket.rates):
            return None
    else:
        return None
    return [(f"{rate.limit}/{rate.interval}", _quota(rate.limit, rate.interval, algorithm)) for rate in bucket.rates]


def accounts_of(limiter: Any) -> Limiter:
    """The limiter with a pyrate limiter's accounts, unless `FastAPILimiter.init` names a store: in memory, for as
    long as the limiter lives."""
    accounts = _accounts.get(limiter)
    if accounts is None:
        accounts = _accounts[limiter] = Limiter("memory://")
    return accounts


def _name(of: object) -> str:
    """The name of an object's class, where that is pyrate-limiter's own."""
    kind = type(of)
    return kind.__name__ if kind.__module__.split(".")[0] == "pyrate_limiter" else ""


@lru_cache(maxsize=1024)
def _quota(limit: int, milliseconds: int, algorithm: Any) -> Quota:
    # A log of more costs too much: a sliding window is as near as that.
    if algorithm == "sliding-log" and limit > _LONGEST_LOG:
        algorithm = "sliding-window"
    return Quota.of(limit, milliseconds / 1000, algorithm=algorithm)


_ALGORITHMS = {"SlidingWindowLog": "sliding-log", "FixedWindow": "fixed-window"}
_LONGEST_LOG = 128
_accounts: WeakKeyDictionary[Any, Limiter] = WeakKeyDictionary()
