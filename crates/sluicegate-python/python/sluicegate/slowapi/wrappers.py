"""Limits, and groups of them."""

from ..compat.slowapi.wrappers import Limit, LimitGroup

__all__ = ["Limit", "LimitGroup"]
