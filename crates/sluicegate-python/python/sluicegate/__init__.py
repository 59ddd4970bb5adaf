"""Rate limits with exact books, decided by a Rust engine.

    from sluicegate import Limiter

    limiter = Limiter()                       # in this process's memory; Limiter("redis://…") for many processes
    decision = limiter.take("alice", "10/minute")
    if not decision:
        print(f"try again in {decision.retry_after:.1f} s")

`sluicegate.fastapi` limits FastAPI, Starlette and any other ASGI app; `sluicegate.slowapi` and `sluicegate.fastapi_limiter`
stand in for the packages whose names they have.
"""

from ._native import (
    Balance,
    Charge,
    Denial,
    Limiter,
    Limits,
    ManualClock,
    Permit,
    Policy,
    PolicyError,
    Quota,
    StoreError,
)

__all__ = [
    "Balance",
    "Charge",
    "Denial",
    "Limiter",
    "Limits",
    "ManualClock",
    "Permit",
    "Policy",
    "PolicyError",
    "Quota",
    "StoreError",
]
