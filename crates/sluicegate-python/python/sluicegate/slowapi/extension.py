"""The limiter, its settings and the handler of its error."""

from ..compat.slowapi.extension import HEADERS, MAX_BACKEND_CHECKS, C, Limiter, _rate_limit_exceeded_handler

__all__ = ["C", "HEADERS", "MAX_BACKEND_CHECKS", "Limiter", "_rate_limit_exceeded_handler"]
