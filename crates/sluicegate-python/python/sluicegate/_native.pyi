"""The native half of the package. Import its names from `sluicegate`."""

from collections.abc import Awaitable, Iterable, Mapping, MutableMapping
from decimal import Decimal
from os import PathLike
from typing import Any, Literal, TypeAlias, final, overload

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

@final
class ClientIp:
    """Finds the address of a client behind proxies.

    A forwarding header is believed only as far as trusted proxies have written it: whoever sends one of its own changes
    nothing.
    """

    def __new__(
        cls,
        trusted_proxies: Iterable[str] = (),
        *,
        header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for",
        ipv6_prefix: int = 64,
    ) -> ClientIp: ...
    def of(self, peer: str, lines: Iterable[str]) -> str:
        """The client's address, cut to its network where it is IPv6. `lines` are those of the header. A peer that is no
        address, as on a Unix socket, comes back as it is, unless `"unix"` is among the trusted proxies."""

@final
class Pass:
    """A request that may pass through a `RateLimit` or the middleware: its permit. True in conditions.

    It holds the slots of concurrent quotas until the response has been sent, or until it is settled or released.
    """

    @property
    def allowed(self) -> Literal[True]: ...
    @property
    def balances(self) -> tuple[Balance, ...]:
        """The balance of each limit, in their order, without those in shadow mode."""
    @property
    def holds(self) -> bool:
        """Returns `True` if it holds slots."""
    @property
    def lines(self) -> list[tuple[bytes, bytes]]:
        """The header lines that tell the client its balances."""
    def applied(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The header lines of a response, and behind them `lines`, as a new list. What the response says of limits of its own
        stays."""
    @property
    def is_metered(self) -> bool:
        """Returns `True` if its tokens are metered: the middleware settles it by the app's response."""
    def answered(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Learns of the head of the app's response. The middleware calls this and the next two."""
    def data(self, piece: bytes, is_last: bool) -> bytes | None:
        """Learns of the next bytes of the response, and takes more tokens where it has become longer than its reservation.
        Returns the last bytes of a stream that is to be cut."""
    def finish(self, has_failed: bool) -> None:
        """Settles the tokens by the response, and gives back the slots. A store elsewhere is not waited for.

        `has_failed` gives the tokens back if there is no response yet. Without it, the client has left."""
    def settle(self, actual: Cost | None = None, /, **units: Cost) -> None:
        """Replaces the estimated cost by what was used, and gives back the slots.

        `settle(812)` is about what the limit's `cost` counts, `settle(tokens=812)` about the limits of a unit. Less is
        a refund, more is a debt that later requests wait for. Settling twice changes nothing.

        Where the tokens are metered, `settle(input_tokens=21, output_tokens=7)` replaces what the response would tell, on
        every limit of tokens. `settle(28)` and `settle(tokens=28)` are about the limits that count both.
        """
    def settle_async(self, actual: Cost | None = None, /, **units: Cost) -> Awaitable[None]: ...
    def release(self) -> None:
        """Gives back the slots; all else stays charged as estimated."""
    def __bool__(self) -> Literal[True]: ...
    def __enter__(self) -> Pass: ...
    def __exit__(self, *raised: object) -> None: ...
    def __aenter__(self) -> Awaitable[Pass]: ...
    def __aexit__(self, *raised: object) -> Awaitable[None]: ...

@final
class Answer:
    """The response to a request that is not admitted, byte for byte the gateway's. False in conditions."""

    @property
    def allowed(self) -> Literal[False]: ...
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def code(self) -> str:
        """A word for programs: `rate_limit_exceeded`, `tier_required`, `invalid_api_key`, `body_too_large`, …"""
    @property
    def route(self) -> str:
        """The route's template."""
    @property
    def limit(self) -> str | None:
        """The limit that denied; None where the request was refused for another reason."""
    @property
    def key(self) -> str | None:
        """The account of the limit that denied, as logs may write it."""
    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request passes. None where waiting alone does not help."""
    @property
    def store_error(self) -> str | None:
        """The store's error, if that is the reason. For logs: the client does not see it."""
    def __bool__(self) -> Literal[False]: ...

@final
class Visit:
    """A decision that wants to read the request's body first."""

    def take(self, piece: bytes, is_last: bool) -> bool:
        """Takes the next piece of the body. Returns whether no more is needed."""
    def take_fields(self, fields: list[tuple[str, str]]) -> None:
        """Takes the fields of a form that has been read already, in place of the body."""
    def decide(self) -> Pass | Answer | Visit | Awaitable[Any]:
        """Goes on with what has been taken."""

@final
class Route:
    """A `[[route]]` of a policy, written in Python. `RateLimit` is how to write one."""

    def __new__(
        cls,
        quotas: list[str | Quota],
        *,
        varies: bool,
        key: list[str] | None,
        cost: Cost | str | None,
        asks_cost: bool,
        meter: str | None,
        max_items: int | None,
        tier: str | None,
        tiers: list[tuple[str, float | str | Quota]],
        require_tier: str | None,
        name: str | None,
        algorithm: str | None,
        mode: str,
        outage: str | None,
    ) -> Route: ...
    def check(self, limiter: Limiter) -> None:
        """Raises `PolicyError` for what is wrong with it under the limiter's policy."""

@final
class Gate:
    """A policy at work: decides ASGI requests by it."""

    def __new__(
        cls, limiter: Limiter, route: Route | None = None, label: str = "/", methods: list[str] = ...
    ) -> Gate:
        """The gate of the limiter's policy, or of one route; `label` is that route's template. The methods become part of the
        names of its unnamed limits."""
    def enter(
        self,
        scope: MutableMapping[str, Any],
        *,
        tier: str | None = None,
        key: str | None = None,
        cost: Cost | None = None,
    ) -> Pass | Answer | Visit | Awaitable[Any]:
        """Decides a request of type `http` or `websocket`: a `Pass`, an `Answer`, a `Visit` that wants the body, or an awaitable
        of one of the three. A store in memory is done when the call returns."""

def exposition(accept: str) -> tuple[str, str]:
    """The media type and the text of this process's metrics, in the format that `accept` prefers."""
