"""A page in a real browser that a test clicks on."""

import itertools
import json
from base64 import b64decode
from urllib.request import urlopen

from websockets.sync.client import connect

from browser import chromium
from server import TIMEOUT, until


class Refused(Exception):
    """The browser does not do what it was told."""


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
        # What the browser tells by itself, of the domains that a test enables.
        self.events = []
        self.url = url
        until(self._is_loaded, "the page is loaded")

    def reload(self):
        self.run("window.isOld = true")
        self.call("Page.reload")
        until(lambda: self._is_loaded() and not self.run("window.isOld"), "the page is loaded again")

    def _is_loaded(self):
        """An empty page comes first, and between both there is none."""
        try:
            return self.run("document.readyState + location.href").startswith(f"complete{self.url}")
        except Refused:
            return False

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
                if "error" in message:
                    raise Refused(f"{method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def press(self, key, code=None, text=None):
        """Presses a key and lets it go."""
        described = {"key": key, "code": code or key, "windowsVirtualKeyCode": KEYS.get(key, 0), **({"text": text} if text else {})}
        self.call("Input.dispatchKeyEvent", type="keyDown", **described)
        self.call("Input.dispatchKeyEvent", type="keyUp", **described)

    def picture(self, file):
        """Saves a picture of the whole page."""
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        # The width with the room of the scroll bar, which the picture has not.
        width, height = self.run("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        file.write_bytes(b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]))

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(TIMEOUT)


KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39}
