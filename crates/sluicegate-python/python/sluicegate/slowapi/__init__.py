"""Stands in for `slowapi`: change the import, and the engine decides the limits of an app.

    from sluicegate.slowapi import Limiter, _rate_limit_exceeded_handler

`docs/migrating.md` says what behaves differently.
"""

from ..compat.slowapi.extension import Limiter, _rate_limit_exceeded_handler

__all__ = ["Limiter", "_rate_limit_exceeded_handler"]
