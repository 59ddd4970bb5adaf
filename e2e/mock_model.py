"""The mock model's process, as tests see and set it."""

import os

import httpx

from server import TIMEOUT, Server, free_port, until


class MockModel(Server):
    """`mock-model`, which knows exactly what it produced."""

    def __init__(self, folder, *flags):
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        command = [os.environ["MOCK_MODEL_BIN"], "--listen", address, *flags]
        self.control = httpx.Client(base_url=f"{self.url}/control", timeout=TIMEOUT)
        super().__init__(command, f"{self.url}/health", folder / "mock-model.log")

    def totals(self):
        """The sums over all requests."""
        return self.control.get("/totals").raise_for_status().json()

    def totals_at_rest(self):
        """The sums over all requests, when none is in progress any more."""
        return until(lambda: (totals := self.totals())["running"] == 0 and totals, "no request is in progress")

    def ledger(self):
        """The records of the requests that have ended."""
        return self.control.get("/ledger").raise_for_status().json()["requests"]

    def set(self, **settings):
        """Changes settings, `_` for `-` in their names."""
        changes = {name.replace("_", "-"): value for name, value in settings.items()}
        self.control.put("/settings", json=changes).raise_for_status()

    def reset(self):
        """Begins new books, with the settings of the flags."""
        self.control.delete("/settings").raise_for_status()
        self.control.delete("/ledger").raise_for_status()
