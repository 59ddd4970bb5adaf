"""Fixtures of the limiter's own tests: one of each kind of store."""

import pytest

from sluicegate import Limiter, ManualClock


# Where a slow machine shall not be taken for an outage of Redis.
PATIENT = {"store": {"timeout": "1s"}}


@pytest.fixture
def shared(arrange):
    """A limiter in Redis, with nothing spent."""
    return Limiter(arrange("redis").url, PATIENT)


@pytest.fixture(params=["memory", "redis"])
def limiter(request):
    """A limiter with nothing spent, in memory and in Redis."""
    return Limiter() if request.param == "memory" else request.getfixturevalue("shared")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def moved(clock):
    """A limiter in memory on a clock that the test moves."""
    return Limiter(clock=clock)
