"""Fixtures of the drop-in for slowapi: an app with a limiter, and who asks it."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sluicegate.slowapi import Limiter, _rate_limit_exceeded_handler
from sluicegate.slowapi.errors import RateLimitExceeded
from sluicegate.slowapi.middleware import SlowAPIASGIMiddleware
from sluicegate.slowapi.util import get_remote_address


def limited_app(key_func=get_remote_address, *, middleware=SlowAPIASGIMiddleware, app=None, **settings):
    """An app and its limiter: `app, limiter = limited_app(default_limits=["2/minute"])`."""
    limiter = Limiter(key_func, **settings)
    app = app or FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    if middleware is not None:
        app.add_middleware(middleware)
    return app, limiter


@pytest.fixture
def build():
    return limited_app


@pytest.fixture
def statuses():
    """The statuses of several requests to an app: `statuses(app, "/", 3) == [200, 200, 429]`."""

    def statuses(app, path, times=1, client=("203.0.113.7", 50000), **request):
        caller = TestClient(app, client=client)
        return [caller.get(path, **request).status_code for _ in range(times)]

    return statuses
