"""`10 per 1 minute`: a limit's numbers, and the texts that say them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple


class Granularity(NamedTuple):
    """A period that has a name."""

    seconds: int
    name: str


class RateLimitItem:
    """So many requests per so many periods."""

    __slots__ = ("GRANULARITY", "amount", "multiples", "namespace")

    def __init__(
        self, amount: int, multiples: int, granularity: Granularity, namespace: str = "LIMITER"
    ) -> None:
        self.amount = amount
        self.multiples = multiples
        self.GRANULARITY = granularity
        self.namespace = namespace

    def get_expiry(self) -> int:
        """The length of its window in seconds."""
        return self.GRANULARITY.seconds * self.multiples

    def key_for(self, *identifiers: object) -> str:
        """The name of an account: `LIMITER/127.0.0.1//predict/10/1/minute`."""
        parts = (self.namespace, *identifiers, self.amount, self.multiples, self.GRANULARITY.name)
        return "/".join(map(str, parts))

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, RateLimitItem):
            return NotImplemented
        return self._numbers() == other._numbers()

    def __hash__(self) -> int:
        return hash(self._numbers())

    def __lt__(self, other: RateLimitItem) -> bool:
        return self.GRANULARITY.seconds < other.GRANULARITY.seconds

    def __str__(self) -> str:
        return f"{self.amount} per {self.multiples} {self.GRANULARITY.name}"

    __repr__ = __str__

    def _numbers(self) -> tuple[int, int, Granularity]:
        return self.amount, self.multiples, self.GRANULARITY


@lru_cache(maxsize=1024)
def parse_many(text: str) -> tuple[RateLimitItem, ...]:
    """The limits that a text names: `"2/second; 10 per 5 minutes"`. Raises `ValueError` for any other."""
    matches = [_ONE.fullmatch(part) for part in re.split("[,;|]", text)]
    if None in matches:
        raise ValueError(f"cannot read the limit {text!r}: write it as '10/minute', '10 per 5 minutes' or '2/second; 100/hour'")
    return tuple(_item(*match.groups()) for match in matches if match)


def item_of(account: str) -> RateLimitItem | None:
    """The limit that the name of an account ends with."""
    match = _TAIL.search(account)
    if match is None:
        return None
    amount, multiples, granularity = match.groups()
    return RateLimitItem(int(amount), int(multiples), _GRANULARITIES[granularity])


def _item(amount: str, multiples: str | None, granularity: str) -> RateLimitItem:
    return RateLimitItem(int(amount), int(multiples or 1) or 1, _GRANULARITIES[granularity.lower()])


# A month has 30 days here and a year 360, as users of slowapi are used to.
_GRANULARITIES = {
    period.name: period
    for period in (
        Granularity(1, "second"),
        Granularity(60, "minute"),
        Granularity(3600, "hour"),
        Granularity(86_400, "day"),
        Granularity(2_592_000, "month"),
        Granularity(31_104_000, "year"),
    )
}

_ONE = re.compile(
    rf"\s*([0-9]+)\s*(?:/|per)\s*([0-9]+)?\s*({'|'.join(_GRANULARITIES)})s?\s*", re.IGNORECASE
)
_TAIL = re.compile(rf"/([0-9]+)/([0-9]+)/({'|'.join(_GRANULARITIES)})$")
