"""The resources that a process of ours uses, as Linux reports them."""

import os
import time
from pathlib import Path


class Process:
    def __init__(self, server):
        self.folder = Path("/proc", str(server.process.pid))

    def rss(self):
        """Bytes of memory."""
        return self._kilobytes("VmRSS")

    def rss_at_rest(self):
        """Bytes of memory that stay the same for two seconds: some jobs run once a second."""
        while (rss := self.rss()) and any(self._rss_later() != rss for _ in range(20)):
            pass
        return rss

    def _rss_later(self):
        time.sleep(0.1)
        return self.rss()

    def peak(self):
        """The most bytes of memory since `watch()`, or since it began."""
        return self._kilobytes("VmHWM")

    def watch(self):
        (self.folder / "clear_refs").write_text("5")
        self.before = self.rss()

    def growth(self):
        """The most bytes of memory since `watch()`, beyond those that it had then."""
        return self.peak() - self.before

    def files(self):
        """The number of open files and sockets."""
        return len(os.listdir(self.folder / "fd"))

    def files_at_rest(self):
        """The number that stays open for a second: threads begin one by one, and idle connections end."""
        while (files := self.files()) and any(self._files_later() != files for _ in range(10)):
            pass
        return files

    def _files_later(self):
        time.sleep(0.1)
        return self.files()

    def threads(self):
        return len(os.listdir(self.folder / "task"))

    def _kilobytes(self, name):
        [line] = [line for line in (self.folder / "status").read_text().splitlines() if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024
