"""A server in a process of its own, on loopback."""

import os
import random
import signal
import socket
import subprocess
import time

import httpx

TIMEOUT = 30  # seconds, for anything that is waited for


class Server:
    """Runs `command` until it is stopped; ready once `ready_url` answers 200."""

    def __init__(self, command, ready_url, log, env=None):
        self.log = log
        self.command = [str(word) for word in command]
        self.ready_url = ready_url
        self.env = {**os.environ, **(env or {})}
        self.start()

    def start(self):
        """Starts the process, also once more after its end, and waits until it is ready."""
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.env
            )
        try:
            until(lambda: self.answers(self.ready_url), f"{self.ready_url} answers 200")
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}; the server's log:\n{self.logged()}") from None

    def answers(self, url):
        code = self.process.poll()
        assert code is None, f"{self.process.args[0]} exited with {code}"
        try:
            return httpx.get(url, timeout=TIMEOUT).status_code == 200
        except httpx.TransportError:
            return False

    def logged(self):
        return self.log.read_text(errors="replace")

    def terminate(self):
        """Asks the process to stop, and does not wait for it."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        """`kill -9`."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Stops the process and returns its exit code."""
        if self.process.poll() is None:
            self.terminate()
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def until(condition, what, timeout=TIMEOUT):
    """Waits until `condition()` is true and returns its value."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout} s: {what}")


def free_port():
    """A port on loopback that nobody listens on, and that no other call returns."""
    for port in PORTS:
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def own_ports():
    """The ports of this worker of pytest-xdist, which no other worker uses.

    They are below those that the system gives to clients: one of their connections could take a port before its server does.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(10_000 + worker, 32_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


PORTS = iter(random.sample(own_ports(), 2_000))
