"""The settings of a limiter that the environment and a `.env` file may make."""

from __future__ import annotations

import json
import os
from typing import Any

from starlette.config import Config

from .headers import HEADERS


class C:
    """The names of the settings."""

    ENABLED = "RATELIMIT_ENABLED"
    HEADERS_ENABLED = "RATELIMIT_HEADERS_ENABLED"
    STORAGE_URL = "RATELIMIT_STORAGE_URL"
    STORAGE_OPTIONS = "RATELIMIT_STORAGE_OPTIONS"
    STRATEGY = "RATELIMIT_STRATEGY"
    GLOBAL_LIMITS = "RATELIMIT_GLOBAL"
    DEFAULT_LIMITS = "RATELIMIT_DEFAULT"
    APPLICATION_LIMITS = "RATELIMIT_APPLICATION"
    HEADER_LIMIT = "RATELIMIT_HEADER_LIMIT"
    HEADER_REMAINING = "RATELIMIT_HEADER_REMAINING"
    HEADER_RESET = "RATELIMIT_HEADER_RESET"
    SWALLOW_ERRORS = "RATELIMIT_SWALLOW_ERRORS"
    IN_MEMORY_FALLBACK = "RATELIMIT_IN_MEMORY_FALLBACK"
    IN_MEMORY_FALLBACK_ENABLED = "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED"
    HEADER_RETRY_AFTER = "RATELIMIT_HEADER_RETRY_AFTER"
    HEADER_RETRY_AFTER_VALUE = "RATELIMIT_HEADER_RETRY_AFTER_VALUE"
    KEY_PREFIX = "RATELIMIT_KEY_PREFIX"
    TRUSTED_PROXIES = "RATELIMIT_TRUSTED_PROXIES"
    REQUEST_PARAMETER = "RATELIMIT_REQUEST_PARAMETER"


class Settings:
    """Reads the environment, and the file: `.env` where there is one and no other is named."""

    def __init__(self, filename: str | None) -> None:
        if filename is None and os.path.isfile(".env"):
            filename = ".env"
        self.config = Config(filename)

    def text(self, name: str, default: Any = None) -> Any:
        return self.config(name, default=default)

    def switch(self, name: str, default: bool) -> bool:
        """Raises `ValueError` for what is neither yes nor no."""
        return self.config(name, cast=bool, default=default)

    def options(self, name: str) -> dict[str, Any]:
        """A table, which the environment writes as a JSON object."""
        text = self.text(name)
        try:
            options = json.loads(text) if text else {}
        except ValueError:
            options = None
        if not isinstance(options, dict):
            raise ValueError(f"{name} must be a JSON object, not {text!r}")
        return options

    def words(self, name: str) -> list[str]:
        return [word.strip() for word in (self.text(name) or "").split(",") if word.strip()]

    def header_names(self) -> dict[int, str]:
        return {key: self.text(setting, name) for key, (setting, name) in _HEADER_NAMES.items()}


_HEADER_NAMES = {
    HEADERS.RESET: (C.HEADER_RESET, "X-RateLimit-Reset"),
    HEADERS.REMAINING: (C.HEADER_REMAINING, "X-RateLimit-Remaining"),
    HEADERS.LIMIT: (C.HEADER_LIMIT, "X-RateLimit-Limit"),
    HEADERS.RETRY_AFTER: (C.HEADER_RETRY_AFTER, "Retry-After"),
}
