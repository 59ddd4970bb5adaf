"""What a process of ours takes of the machine, as Linux tells."""

import os
from pathlib import Path


class Process:
    def __init__(self, server):
        self.folder = Path("/proc", str(server.process.pid))

    def rss(self):
        """Bytes of memory."""
        return self._kilobytes("VmRSS")

    def peak(self):
        """The most bytes of memory since `forget_peak()`."""
        return self._kilobytes("VmHWM")

    def forget_peak(self):
        (self.folder / "clear_refs").write_text("5")

    def files(self):
        """How many files and sockets are open."""
        return len(os.listdir(self.folder / "fd"))

    def threads(self):
        return len(os.listdir(self.folder / "task"))

    def _kilobytes(self, name):
        [line] = [line for line in (self.folder / "status").read_text().splitlines() if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024
