"""A page in a real browser that a test clicks on."""

import itertools
import json
from urllib.request import urlopen

from websockets.sync.client import connect

from browser import chromium
from server import TIMEOUT, until


class Tab:
    """A page in headless Chromium, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

    def __init__(self, folder, url):
        self.process = chromium(folder, url)
        port = folder / "profile" / "DevToolsActivePort"
        until(lambda: port.exists() and port.read_text().count("\n"), "the browser listens")
        with urlopen(f"http://127.0.0.1:{port.read_text().split()[0]}/json") as targets:
            [page] = [target for target in json.load(targets) if target["type"] == "page"]
        self.socket = connect(page["webSocketDebuggerUrl"], max_size=None, legacy=True)
        self.numbers = itertools.count(1)
        # An empty page comes first.
        until(lambda: self.run("location.href + document.readyState") == f"{url}/complete", "the page is loaded")

    def run(self, script):
        """The value of an expression, or of its promise."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def call(self, method, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(TIMEOUT))
            if message.get("id") == number:
                return message["result"]

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(TIMEOUT)
