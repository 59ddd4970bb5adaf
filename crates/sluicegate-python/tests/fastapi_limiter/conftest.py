"""Fixtures of the drop-in for fastapi-limiter: an app that is served, and what it counted forgotten afterwards."""

from contextlib import ExitStack
from functools import partial

import pytest
from fastapi.testclient import TestClient

from sluicegate import Limiter, ManualClock
from sluicegate.fastapi_limiter import FastAPILimiter


@pytest.fixture
def serve():
    """Serves an app as uvicorn would: `client = serve(app, "memory://", prefix="mine")`."""
    with ExitStack() as running:

        def serve(app, redis, *, address=("testclient", 50000), **settings):
            client = running.enter_context(TestClient(app, client=address))
            client.portal.call(partial(FastAPILimiter.init, redis, **settings))
            running.callback(client.portal.call, FastAPILimiter.close)
            return client

        yield serve
    FastAPILimiter.redis = None


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def limiter(clock):
    """A limiter on a clock that the test moves."""
    return Limiter(clock=clock)


@pytest.fixture
def statuses():
    """The statuses of several requests: `statuses(client, "/", 3) == [200, 200, 429]`."""
    return lambda client, path, times: [client.get(path).status_code for _ in range(times)]
