"""Fixtures of limited apps: a limiter on a clock that moves, and who asks the app."""

import pytest
from starlette.testclient import TestClient

from sluicegate import Limiter, ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def limiter(clock):
    """A limiter in memory on a clock that the test moves."""
    return Limiter(clock=clock)


@pytest.fixture
def ask():
    """A client of an app, from an address: `ask(app).get("/")`."""

    def ask(app, address="203.0.113.7", **settings):
        return TestClient(app, client=(address, 50000), **settings)

    return ask


@pytest.fixture
def statuses(ask):
    """The statuses of several requests: `statuses(app, "/", "/") == [200, 429]`."""

    def statuses(app, *paths, method="GET", **request):
        client = ask(app)
        return [client.request(method, path, **request).status_code for path in paths]

    return statuses
