"""The dashboard on the admin port, in a real browser."""

import sys
from pathlib import Path

from devtools import Tab
from server import until

AXE = Path(sys.prefix) / "node_modules" / "axe-core" / "axe.min.js"


class Page:
    """The dashboard of a gateway, as a person sees it."""

    def __init__(self, folder, gateway):
        self.gateway = gateway
        self.tab = Tab(folder, f"{gateway.admin_url}/dashboard")
        for domain in ["Runtime", "Log", "Page"]:
            self.tab.call(f"{domain}.enable")

    def is_live(self):
        return self.text("#status") == "Live"

    def text(self, selector):
        return self.tab.run(f"document.querySelector({selector!r}).innerText")

    def rows(self, place):
        """The texts of the cells of a table, by the name in the first cell."""
        cells = "[...row.cells].map((cell) => cell.innerText)"
        rows = self.tab.run(f"[...document.querySelectorAll('#{place} tbody tr')].map((row) => {cells})")
        return {first.split("\n")[0]: rest for first, *rest in rows}

    def fill(self, selector, text):
        self.tab.run(f"document.querySelector({selector!r}).value = {text!r}")

    def click(self, selector):
        self.tab.run(f"document.querySelector({selector!r}).click()")

    def sign_in(self, token):
        self.fill("#token", token)
        self.click("#sign-in button")

    def first_paint(self):
        """Loads the page again, and returns the time until its first text in milliseconds."""
        self.tab.reload()
        until(self.is_live, "the dashboard is live")
        return self.tab.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")

    def complaints(self):
        """What the browser has complained of: exceptions, and whatever a policy has blocked."""
        self.tab.run("0")
        entries = [event["params"]["entry"] for event in self.tab.events if event["method"] == "Log.entryAdded"]
        thrown = [event["params"] for event in self.tab.events if event["method"] == "Runtime.exceptionThrown"]
        # A gateway that is away is no mistake of the page.
        return thrown + [entry for entry in entries if entry["source"] != "network"]

    def measures(self):
        """The browser's own measures, without garbage."""
        self.tab.call("HeapProfiler.collectGarbage")
        return {metric["name"]: metric["value"] for metric in self.tab.call("Performance.getMetrics")["metrics"]}

    def violations(self):
        """What axe-core finds against WCAG 2.2 and good practice."""
        if not self.tab.run("'axe' in window"):
            # It makes elements of text, which the page itself may not.
            self.tab.call("Page.setBypassCSP", enabled=True)
            self.tab.run(AXE.read_text() + "; 0")
        found = self.tab.run("axe.run().then(({ violations }) => violations)")
        return [(violation["id"], violation["help"], [node["html"][:200] for node in violation["nodes"]]) for violation in found]
