"""The stubs of decisions on ASGI requests. At run time they are in `_native`."""

from collections.abc import Awaitable, Iterable, MutableMapping
from typing import Any, Literal, final

from ._limiter import Limiter
from ._values import Balance, Cost, Quota

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
    def add_lines(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Adds `lines` to a response's."""
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
