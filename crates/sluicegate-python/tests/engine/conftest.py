"""Fixtures of the limiter's own tests: one of each kind of store."""

import pytest

from sluicegate import Limiter, ManualClock


@pytest.fixture(params=["memory", "redis"])
def limiter(request, arrange):
    """A limiter with nothing spent, in memory and in Redis."""
    return Limiter("memory://" if request.param == "memory" else arrange("redis").url)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def moved(clock):
    """A limiter in memory on a clock that the test moves."""
    return Limiter(clock=clock)
