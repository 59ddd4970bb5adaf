"""The default identifier, by the name that fastapi-limiter 0.2.0 has for it."""

from ..compat.fastapi_limiter import default_identifier

__all__ = ["default_identifier"]
