"""The stubs of a limiter and its limits. At run time they are in `_native`; import them from `sluicegate`."""

from collections.abc import Awaitable, Iterable, Mapping
from os import PathLike
from typing import Any, Literal, final, overload

from ._values import Balance, Charge, Cost, Denial, ManualClock, Permit, Policy, Quota

@final
class Limits:
    """Limits that are taken together, each from an account of its caller's own. `Limiter.limits` makes them, once for all
    requests.

    >>> limits = Limiter().limits(user="60/minute", tenant="1000/minute")
    >>> [balance.remaining for balance in limits.take("alice", "acme").balances]
    [59, 999]
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the order of balances: `limits.names[denial.charge]` is the limit that denied."""
    def take(self, *callers: str, **costs: Cost) -> Permit | Denial:
        """Takes from every limit, or from none.

        `callers` are one for each limit, in their order, or one for all of them. `costs` are by the names of the limits. A
        limit of requests or slots takes one unless its cost is given.

        >>> limits = Limiter().limits(rpm="60/minute", tpm="100000 tokens/minute")
        >>> permit = limits.take("alice", tpm=812)
        >>> permit.settle(1, 530)

        Raises `TypeError` for another number of callers, and if a limit of items, tokens, bytes or usd has no cost.
        Otherwise it is as `Limiter.take`.
        """
    def take_async(self, *callers: str, **costs: Cost) -> Awaitable[Permit | Denial]:
        """`take`, without blocking the event loop."""
    def charges(self, *callers: str, **costs: Cost) -> list[Charge]:
        """The charges that `take` takes, for `Limiter.peek`, `Limiter.reset`, or a take together with others."""

@final
class Limiter:
    """Decides for requests, on the balances of one store.

    >>> limiter = Limiter()
    >>> [bool(limiter.take("alice", "2/minute")) for _ in range(3)]
    [True, True, False]
    """

    def __new__(
        cls,
        store: str | None = None,
        policy: Policy | str | PathLike[str] | Mapping[str, Any] | None = None,
        *,
        clock: ManualClock | Literal["time.time"] | None = None,
    ) -> Limiter:
        """`store` is a URL: `memory://`, `redis://…`, `rediss://…`, `redis+unix://…`, `redis+sentinel://…`,
        `redis+cluster://…`, `memcached://…`. Without one it is the policy's, or `SLUICEGATE_STORE__URL`, or memory. Timeouts
        and the like are set by the policy's `[store]` table.

        `clock` moves a store in memory: `"time.time"` follows that function, which test libraries replace.
        """
    @property
    def store(self) -> str:
        """The store's URL, its password masked."""
    @property
    def policy(self) -> Policy: ...
    def limits(
        self, *, outage: Literal["local", "allow", "deny"] | None = None, **quotas: str | Quota
    ) -> Limits:
        """Limits by their names, whose quotas are read once, to be taken together many times. Taking them costs less than
        taking charges that are made for each request.

        Each caller has an account of its own under each name. Limits of the same name on one store share their accounts.
        `outage` is what becomes of them while the store does not answer, as of a `Charge`. Raises `PolicyError` without quotas,
        and for one that makes no sense.
        """
    def charge(self, limit: str, key: str, cost: Cost | None = None, *, tier: str | None = None) -> Charge:
        """A charge on one of the policy's limits, by its name, as callers of this tier have it:

        >>> limiter = Limiter(policy={"limits": {"rpm": {"quota": "60/minute"}}})
        >>> limiter.take([limiter.charge("rpm", "alice")]).allowed
        True

        It is on the account of a `RateLimit` with this name whose `key=` gives the same key.
        """
    @overload
    def take(self, what: str, quota: str | Quota, cost: Cost | None = None) -> Permit | Denial: ...
    @overload
    def take(self, what: Charge | Iterable[Charge]) -> Permit | Denial:
        """Takes every charge, or none. Raises `TypeError` where a quota of items, tokens, bytes or usd has no cost.

        A store elsewhere is waited for while other threads go on; in an event loop await `take_async` instead. Raises
        `StoreError` where the store does not answer and a charge's `outage` is `deny`.
        """
    @overload
    def take_async(self, what: str, quota: str | Quota, cost: Cost | None = None) -> Awaitable[Permit | Denial]: ...
    @overload
    def take_async(self, what: Charge | Iterable[Charge]) -> Awaitable[Permit | Denial]:
        """`take`, without blocking the event loop. A store in memory is done when the call returns."""
    @overload
    def peek(self, what: str, quota: str | Quota) -> Balance: ...
    @overload
    def peek(self, what: Charge) -> Balance: ...
    @overload
    def peek(self, what: Iterable[Charge]) -> tuple[Balance, ...]:
        """Returns the balances, charging nothing."""
    @overload
    def peek_async(self, what: str, quota: str | Quota) -> Awaitable[Balance]: ...
    @overload
    def peek_async(self, what: Charge) -> Awaitable[Balance]: ...
    @overload
    def peek_async(self, what: Iterable[Charge]) -> Awaitable[tuple[Balance, ...]]: ...
    def settle(self, permit: Permit, *actual: Cost) -> None:
        """`permit.settle(*actual)`."""
    def settle_async(self, permit: Permit, *actual: Cost) -> Awaitable[None]: ...
    @overload
    def reset(self, what: str, quota: str | Quota) -> None: ...
    @overload
    def reset(self, what: Charge | Iterable[Charge]) -> None:
        """Forgets what these accounts have spent. An account is a key and a quota's algorithm."""
    @overload
    def reset_async(self, what: str, quota: str | Quota) -> Awaitable[None]: ...
    @overload
    def reset_async(self, what: Charge | Iterable[Charge]) -> Awaitable[None]: ...
    enabled: bool
    """Whether `RateLimit`, the middleware and the drop-in for fastapi-limiter decide by it. False lets everything pass and charges
    nothing. `take` decides all the same."""
    def clear(self) -> None:
        """Forgets all accounts under the store's prefix. Memcached cannot tell which those are: `StoreError`."""
    def clear_async(self) -> Awaitable[None]: ...
    @property
    def warming_up(self) -> str | None:
        """The path that answers 200 once the app has warmed up; None where it has, or the policy has no warm-up."""
    def ready(self) -> None:
        """The app has warmed up: its limits grow to what they are. The middleware finds out by itself."""
    @property
    def has_api_keys(self) -> bool: ...
    def refresh(self) -> None:
        """Reads the policy's file of API keys again, if it has changed; a file that makes no sense is a `PolicyError` once, and
        the old keys stay. The middleware does so by itself."""
    def check(self) -> None:
        """Asks the store once for everything that a request needs of it. Raises `StoreError` if it cannot give that."""
    def check_async(self) -> Awaitable[None]: ...
