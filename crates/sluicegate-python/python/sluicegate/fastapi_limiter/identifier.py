"""The owner of a request's account, by its name in fastapi-limiter 0.2.0."""

from . import default_identifier as default_identifier
