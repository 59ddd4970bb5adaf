"""A real browser, and the pages that it shows."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from server import TIMEOUT, until


class Browser:
    """Headless Chromium, with a server for its pages: an origin of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.html = ""
        self.told = []
        browser = self

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self):
                body = browser.html.encode()
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                browser.told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                """The test tells what went wrong."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.port = self.server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def visit(self, html, origin=None):
        """The JSON that a page has written into its element `said`."""
        self.html = html + TELL
        self.told.clear()
        process = chromium(self.folder, origin or self.origin)
        try:
            return until(lambda: self.told, "the page has told what it saw")[0]
        finally:
            process.terminate()
            process.wait(TIMEOUT)

    def run(self, script, origin=None):
        """The result of a page's script. `api` is left to the script; `attempt` returns the outcome of a fetch."""
        return self.visit(PAGE.replace("SCRIPT", script), origin)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def chromium(folder, url):
    """The process of a headless Chromium that shows a page, with its profile and its log in a folder."""
    with open(folder / "chromium.log", "ab") as log:
        return subprocess.Popen(
            ["chromium", *FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0", url],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PAGE = """<!doctype html>
<pre id="said"></pre>
<script type="module">
async function attempt(url, options) {
    try {
        const response = await fetch(url, options);
        return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
    } catch (error) {
        return { error: error.name };
    }
}
async function run() { SCRIPT }
document.getElementById("said").textContent = JSON.stringify(await run());
</script>
"""

# Goes at the end of every page: tells its server what it says, once it says anything.
TELL = """
<script>
const told = setInterval(() => {
    const said = document.getElementById("said").textContent;
    if (said) { clearInterval(told); fetch("/told", { method: "POST", body: said }); }
}, 20);
</script>
"""
