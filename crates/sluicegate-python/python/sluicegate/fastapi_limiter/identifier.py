"""Whose account a request is charged to, by the name that fastapi-limiter 0.2.0 has for it."""

from . import default_identifier as default_identifier
