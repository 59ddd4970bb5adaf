"""Fixtures: one model server for the whole run, and for each test the gateways and stores that it starts."""

import sys
from pathlib import Path

import pytest

from gateway import Gateway
from mock_model import MockModel
from model import Model
from server import Server, free_port, until
from stores import Proxy, Stores


@pytest.fixture(scope="session")
def model_server(tmp_path_factory):
    model = Model(tmp_path_factory.mktemp("model"))
    yield model
    model.stop()


@pytest.fixture
def model(model_server):
    """The model server, ready and with nothing asked of it yet."""
    until(lambda: model_server.streams() == 0, "the last test's streams have ended")
    model_server.reset()
    return model_server


@pytest.fixture(scope="session")
def mock_model_server(tmp_path_factory):
    mock_model = MockModel(tmp_path_factory.mktemp("mock-model"))
    yield mock_model
    mock_model.stop()


@pytest.fixture
def mock_model(mock_model_server):
    """The mock model with empty books and its usual settings."""
    mock_model_server.totals_at_rest()
    mock_model_server.reset()
    return mock_model_server


@pytest.fixture
def start(request, tmp_path):
    """Starts a gateway before the model, or before another upstream: `gateway = start(policy)`."""
    running = []

    def start(policy, upstream=None, env=None):
        folder = tmp_path / str(len(running))
        folder.mkdir()
        gateway = Gateway(folder, upstream or request.getfixturevalue("model").url, policy, env)
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        gateway.stop()


@pytest.fixture
def raw_server(tmp_path):
    """An upstream that breaks every rule."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    script = Path(__file__).with_name("raw_server.py")
    server = Server([sys.executable, script, port], f"{url}/ok", tmp_path / "raw.log")
    server.url = url
    yield server
    server.stop()


@pytest.fixture
def arrange():
    """Starts stores: `redis = arrange("redis", "aof")`; `proxy = arrange("proxy", redis.port())`."""
    running = []

    def arrange(*arrangement):
        stores = Proxy(arrangement[1]) if arrangement[0] == "proxy" else Stores(*arrangement)
        running.append(stores)
        return stores

    yield arrange
    for stores in running:
        stores.stop()
