"""Stands in for `slowapi`: change the import, and the limits of an app are decided by Sluicegate.

    from sluicegate.slowapi import Limiter, _rate_limit_exceeded_handler

`docs/migrating.md` says what is mended.
"""

from .extension import Limiter, _rate_limit_exceeded_handler

__all__ = ["Limiter", "_rate_limit_exceeded_handler"]
