"""The built packages, and a model for the gateways that they bring."""

import os
from pathlib import Path

import pytest

from gateway import Gateway
from mock_model import MockModel

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def packages():
    """The folder that packaging/build/packages wrote."""
    return Path(os.environ["PACKAGES"]).resolve()


@pytest.fixture(scope="session")
def package(packages):
    """Finds the one package with an ending: `package(".deb")`."""

    def package(ending):
        [path] = [path for path in packages.iterdir() if path.name.endswith(ending)]
        return path

    return package


@pytest.fixture(scope="session")
def gateway_binary(packages):
    """The command alone, which the image has."""
    [program] = packages.glob("bin/*/sluicegate")
    return program


@pytest.fixture(scope="session")
def version():
    """The version of all packages: the workspace's."""
    [line] = [line for line in (ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version = ")]
    return line.split('"')[1]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    model = MockModel(tmp_path_factory.mktemp("mock-model"))
    yield model
    model.stop()


@pytest.fixture
def start(tmp_path, model, monkeypatch):
    """Starts an installed gateway before the model: `gateway = start(command, policy)`."""
    running = []

    def start(command, policy, env=None):
        folder = tmp_path / f"gateway-{len(running)}"
        folder.mkdir()
        monkeypatch.setenv("SLUICEGATE_BIN", str(command))
        gateway = Gateway(folder, model.url, policy, env)
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        gateway.stop()
