"""The model server's process, as tests see and set it."""

import sys
from pathlib import Path

import httpx

from server import Server, free_port

FLOWER = {"input": [5.1, 3.5, 1.4, 0.2]}  # a setosa


def flowers(count):
    return {"inputs": [FLOWER["input"]] * count}


class Model(Server):
    def __init__(self, folder):
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rsplit(":", 1)[1]
        script = Path(__file__).with_name("model_server.py")
        super().__init__([sys.executable, script, port], f"{self.url}/health", folder / "model.log")

    def calls(self, path):
        """The number of requests for `path` since the last reset."""
        return self._state()["calls"].get(path, 0)

    def headers(self, path):
        """The headers of the last request for `path`."""
        return httpx.Headers([tuple(line) for line in self._state()["last_headers"][path]])

    def streams(self):
        """The number of streams in progress."""
        return self._state()["streams"]

    def reset(self):
        self._put("reset")

    def set_ready(self, ready):
        self._put(f"ready/{str(ready).lower()}")

    def next_event(self):
        """Lets a stream go on by one event."""
        self._put("next")

    def _state(self):
        return httpx.get(f"{self.url}/control/state").raise_for_status().json()

    def _put(self, what):
        httpx.put(f"{self.url}/control/{what}").raise_for_status()
