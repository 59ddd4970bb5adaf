"""`X-RateLimit-Limit`, `-Remaining` and `-Reset`, and `Retry-After`."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import timezone
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from starlette.datastructures import MutableHeaders

from ..._native import Denial, Permit
from .item import RateLimitItem
from .strategy import RateLimiter, WindowStats


class HEADERS:
    """The names of headers in a limiter's `_header_mapping`."""

    RESET = 1
    REMAINING = 2
    LIMIT = 3
    RETRY_AFTER = 4


class View(tuple[RateLimitItem, Sequence[str]]):
    """`request.state.view_rate_limit`: the limit that the headers tell of and the parts of its key, with what was decided."""

    decision: Permit | Denial
    charge: int
    decided: float

    @classmethod
    def of(cls, item: RateLimitItem, parts: Sequence[str], decision: Permit | Denial, charge: int) -> View:
        view = cls((item, parts))
        view.decision, view.charge, view.decided = decision, charge, time.time()
        return view

    def stats(self) -> WindowStats:
        """The time to retry for a denied request, otherwise the time when the account is full again; and the
        remaining amount."""
        balance = self.decision.balances[self.charge]
        wait = None if isinstance(self.decision, Permit) else self.decision.retry_after
        return WindowStats(self.decided + (balance.reset_after if wait is None else wait), int(balance.remaining))


def write(
    headers: MutableHeaders, view: tuple[Any, Sequence[str]], names: dict[int, str], form: str | None, limiter: RateLimiter
) -> None:
    """Sets the headers, in the place of any that are there. A view that was made elsewhere is looked up."""
    reset, remaining = view.stats() if isinstance(view, View) else limiter.get_window_stats(view[0], *view[1])
    now = time.time()
    headers[names[HEADERS.LIMIT]] = str(view[0].amount)
    headers[names[HEADERS.REMAINING]] = str(remaining)
    headers[names[HEADERS.RESET]] = str(math.floor(reset + 1))
    # An endpoint that knows of a longer wait keeps it.
    reset = max(reset, retry_time(headers.get("Retry-After"), now))
    if form == "http-date":
        headers[names[HEADERS.RETRY_AFTER]] = formatdate(math.ceil(reset), usegmt=True)
    else:
        headers[names[HEADERS.RETRY_AFTER]] = str(max(math.ceil(reset - now - _INEXACT), 1))


def retry_time(value: str | None, now: float) -> float:
    """The time that a `Retry-After` says, in seconds of Unix time; 0 where it says none."""
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        return now + int(value)
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()


# `time.time` is a float, and what is added to it and taken from it may be off by a microsecond, which is no second to wait.
_INEXACT = 0.000_1
