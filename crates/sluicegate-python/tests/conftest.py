"""Fixtures of all tests: real stores, which a test starts and breaks."""

import pathlib
import sys

import pytest

# The same servers as the end-to-end tests'. TEST_SERVERS_BIN says where their program is.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "e2e"))

from stores import Proxy, Stores  # noqa: E402


@pytest.fixture
def arrange():
    """Starts stores: `redis = arrange("redis", "tls")`; `proxy = arrange("proxy", redis.port())`."""
    running = []

    def arrange(*arrangement):
        stores = Proxy(arrangement[1]) if arrangement[0] == "proxy" else Stores(*arrangement)
        running.append(stores)
        return stores

    yield arrange
    for stores in running:
        stores.stop()
