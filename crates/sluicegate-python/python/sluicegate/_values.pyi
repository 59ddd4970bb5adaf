"""The stubs of the values that a limiter works with. At run time they are in `_native`; import them from `sluicegate`."""

from collections.abc import Awaitable, Mapping
from decimal import Decimal
from os import PathLike
from typing import Any, Literal, TypeAlias, final

Algorithm: TypeAlias = Literal["token-bucket", "fixed-window", "sliding-window", "sliding-log"]
Cost: TypeAlias = int | float | Decimal
"""How many units of its quota a charge takes. An int; for quotas of `usd` dollars, as an int, a float or a Decimal."""

class PolicyError(ValueError):
    """A policy, a quota or a limit written in code makes no sense. The text says where, and what would be right."""

class StoreError(Exception):
    """The store did not answer, or cannot be used as it is."""

    misconfiguration: bool
    """Whether a person must mend it: a wrong address or password, a replica that only reads."""

@final
class Quota:
    """An amount of a unit per window: a value, equal to any other that says the same.

    >>> Quota("100 items per 5 minutes burst 20").window
    300.0

    The text is `AMOUNT [UNIT] ("/"|"per") [N] PERIOD ["burst" B]`, or `AMOUNT concurrent`. What Python's `limits` reads has
    the same meaning here. The algorithm is `token-bucket` unless it is given. Raises `PolicyError` for any other text.
    """

    def __new__(cls, text: str | Quota, *, algorithm: Algorithm | None = None) -> Quota: ...
    @staticmethod
    def parse(text: str, *, algorithm: Algorithm | None = None) -> Quota:
        """The same as `Quota(text)`, for text alone."""
    @staticmethod
    def parse_list(text: str, *, algorithm: Algorithm | None = None) -> list[Quota]:
        """Reads one quota or several: `"5/second; 100/hour"`."""
    @staticmethod
    def of(amount: int, window: float, *, unit: str = "requests", algorithm: Algorithm | None = None) -> Quota:
        """So many units per so many seconds: for windows that no text names, such as half a second."""
    @property
    def amount(self) -> int:
        """Units per window; nano-dollars for `usd`."""
    @property
    def burst(self) -> int:
        """Units that an idle key can spend at once."""
    @property
    def window(self) -> float:
        """Seconds; 0 for a concurrent quota."""
    @property
    def unit(self) -> str: ...
    @property
    def algorithm(self) -> str: ...

@final
class Charge:
    """One line of a request's bill: `cost` units of `quota`, on `key`'s account."""

    def __new__(
        cls,
        key: str,
        quota: str | Quota,
        cost: Cost | None = None,
        *,
        outage: Literal["local", "allow", "deny"] | None = None,
    ) -> Charge:
        """Without a `cost` it takes one request or one slot. A quota of another unit needs one before the charge is taken, and
        none to look at its account.

        `outage` is what becomes of it while the store does not answer: this process's memory decides (`local`), it passes
        (`allow`), or the take raises `StoreError` (`deny`). Without it, what the limiter's `store.outage` says."""
    @property
    def key(self) -> str: ...
    @property
    def quota(self) -> Quota: ...

@final
class Balance:
    """The balance of one account after a decision."""

    @property
    def remaining(self) -> int | float:
        """Units that could be spent now; dollars, as a float, for `usd`."""
    @property
    def reset_after(self) -> float:
        """Seconds until the account is full, if nobody spends meanwhile."""
    @property
    def next_after(self) -> float:
        """Seconds until one more unit can be spent."""
    @property
    def retry_after(self) -> float | None:
        """Seconds until this charge fits: 0 where it does, None where waiting alone does not help."""
    @property
    def fits(self) -> bool:
        """Returns `True` if this charge was, or could have been, taken."""

@final
class Permit:
    """A request that may pass. True in conditions.

    It holds the slots of concurrent quotas until it is settled, released or forgotten; as a context manager, sync or async,
    until the block ends.

    >>> with Limiter().take("alice", "2 concurrent") as permit:
    ...     permit.allowed
    True
    """

    @property
    def allowed(self) -> Literal[True]: ...
    @property
    def balances(self) -> tuple[Balance, ...]:
        """The balance after each charge, in the charges' order."""
    def settle(self, *actual: Cost) -> None:
        """Replaces the estimated costs by what was used, charge by charge, and gives back the slots.

        Less is a refund, more is a debt that later requests wait for. Charges beyond the last cost keep their estimates.
        Settling twice changes nothing.
        """
    def settle_async(self, *actual: Cost) -> Awaitable[None]: ...
    def release(self) -> None:
        """Gives back the slots; all else stays charged as estimated."""
    def __bool__(self) -> Literal[True]: ...
    def __enter__(self) -> Permit: ...
    def __exit__(self, *raised: object) -> None: ...
    def __aenter__(self) -> Awaitable[Permit]: ...
    def __aexit__(self, *raised: object) -> Awaitable[None]: ...

@final
class Denial:
    """A request that may not pass: nothing was charged anywhere. False in conditions."""

    @property
    def allowed(self) -> Literal[False]: ...
    @property
    def charge(self) -> int:
        """The index of the charge that denied, from 0; of several, the one with the longest wait."""
    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request passes, if nobody else spends meanwhile. None where waiting alone does not
        help: the cost is more than the quota ever holds, or every slot is in use."""
    @property
    def balances(self) -> tuple[Balance, ...]: ...
    def __bool__(self) -> Literal[False]: ...

@final
class ManualClock:
    """A clock for tests, which stands still until it is moved: `Limiter(clock=clock)`."""

    def __new__(cls) -> ManualClock: ...
    def advance(self, seconds: float) -> None: ...
    def now(self) -> float:
        """Seconds since the clock was made."""

@final
class Policy:
    """A policy, read and understood: the path of a TOML file, or a mapping of the same shape.

    Environment variables win over it: `SLUICEGATE_STORE__URL`. Raises `PolicyError` with everything that is wrong.
    """

    def __new__(cls, source: str | PathLike[str] | Mapping[str, Any]) -> Policy: ...
    @property
    def limits(self) -> dict[str, Quota]:
        """The limits' quotas by their names, as the default tier has them."""
    def is_limited(self, method: str, path: str) -> bool:
        """Returns `True` if requests to a path, or to a template of paths, can be denied by a limit."""
