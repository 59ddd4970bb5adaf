"""Fixtures of the examples' tests: each app as `uvicorn` serves it, and its users."""

import sys
from pathlib import Path

import httpx
import pytest

# As the end-to-end tests start a server and wait for it.
sys.path.append(str(Path(__file__).resolve().parents[4] / "e2e"))

from server import TIMEOUT, Server, free_port  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "fastapi"


class Example(Server):
    """One of the examples, as its README starts it."""

    def __init__(self, name, folder, env, *options):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._users = iter(range(2, 255))
        command = [sys.executable, "-m", "uvicorn", f"{name}:app", "--app-dir", EXAMPLES, "--port", port, *options]
        super().__init__(command, f"{self.url}/openapi.json", folder / f"{name}.log", env)

    def client(self, **headers):
        """A user with an address of its own, who has asked for nothing yet."""
        way = httpx.HTTPTransport(local_address=f"127.0.0.{next(self._users)}")
        return httpx.Client(base_url=self.url, headers=headers, transport=way, timeout=TIMEOUT)


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Starts an example: `app = serve("memory")`."""
    running = []

    def serve(name, *options, **env):
        example = Example(name, tmp_path_factory.mktemp(name), env, *options)
        running.append(example)
        return example

    yield serve
    for example in running:
        example.stop()
        assert "Traceback" not in example.logged()
