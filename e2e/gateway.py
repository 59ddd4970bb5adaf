"""The gateway's process, before the model server."""

import os
import subprocess
import time

import httpx

from server import TIMEOUT, Server, free_port


def binary():
    """The gateway's binary, which `./test e2e` builds."""
    return os.environ["SLUICEGATE_BIN"]


def run(*arguments, folder=None):
    """Runs a command that ends by itself, in `folder`."""
    return subprocess.run(
        [binary(), *[str(argument) for argument in arguments]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=folder,
    )


class Gateway(Server):
    """`sluicegate serve` with a policy, whose addresses are chosen here."""

    def __init__(self, folder, upstream, policy, env=None):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.admin_url = f"http://127.0.0.1:{free_port()}"
        self.policy = folder / "sluicegate.toml"
        self.policy.write_text(policy)
        addresses = {
            "SLUICEGATE_GATEWAY__LISTEN": self.url.removeprefix("http://"),
            "SLUICEGATE_GATEWAY__ADMIN": self.admin_url.removeprefix("http://"),
            "SLUICEGATE_GATEWAY__UPSTREAM": upstream,
        }
        command = [binary(), "serve", "--config", self.policy]
        super().__init__(command, f"{self.admin_url}/readyz", folder / "gateway.log", {**addresses, **(env or {})})

    def client(self, address="127.0.0.1", headers=None):
        """A client at an address of its own: all of 127.0.0.0/8 is this machine."""
        transport = httpx.HTTPTransport(local_address=address, limits=httpx.Limits())
        return httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=TIMEOUT)

    def address(self):
        """The address for clients, as a host and a port."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def summary(self):
        """The admin port's JSON summary."""
        answer = httpx.get(f"{self.admin_url}/metrics", headers={"accept": "application/json"})
        return answer.raise_for_status().json()

    def metric(self, name):
        """The value of a metric without labels."""
        lines = httpx.get(f"{self.admin_url}/metrics").raise_for_status().text.splitlines()
        [value] = [line.split()[1] for line in lines if line.split()[0] == name]
        return float(value)

    def labelled(self, name, label):
        """The sum of a metric's values that carry a label, given as `name="value"`."""
        lines = httpx.get(f"{self.admin_url}/metrics").raise_for_status().text.splitlines()
        values = [float(line.split()[-1]) for line in lines if line.startswith(name + "{") and label in line]
        assert values, f"no {name} has {label}"
        return sum(values)

    def store_is_up(self):
        return self.metric("sluicegate_store_up") == 1

    def asks_the_store(self, path):
        """Returns `True` if the store decides a request for `path`, which has a limit."""
        errors = self.metric("sluicegate_store_errors_total")
        with self.client() as client:
            client.get(path)
        return self.store_is_up() and self.metric("sluicegate_store_errors_total") == errors


class Spent:
    """The requests that it took to spend a limit: the number admitted, and the first denial."""

    def __init__(self, ask, at_most=1000):
        """Calls `ask()` until it is answered 429."""
        self.started = time.monotonic()
        self.passed = 0
        while True:
            answer = ask()
            if answer.status_code == 429:
                self.denial = answer
                break
            assert answer.status_code == 200, answer.text
            self.passed += 1
            assert self.passed <= at_most, f"{at_most} requests passed"
        self.seconds = time.monotonic() - self.started

    def was(self, amount, window):
        """Returns `True` if the limit was `amount` per `window` seconds: that many were admitted, and the refill
        meanwhile."""
        return amount <= self.passed <= amount + self.seconds * amount / window
