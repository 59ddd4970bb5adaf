"""A terminal that a program runs in, and what its screen shows."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios

import pyte

from server import TIMEOUT, until


class Terminal:
    def __init__(self, command, env=None, columns=80, lines=24):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.output = b""
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.resize(columns, lines)
        self.settings = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
        )

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def lines(self):
        """The lines of the screen as they are now."""
        while select.select([self.master], [], [], 0)[0]:
            read = os.read(self.master, 65536)
            self.output += read
            self.stream.feed(read)
        return [line.rstrip() for line in self.screen.display]

    def until(self, condition, what):
        """Waits until the screen meets a condition, and returns its lines."""
        try:
            return until(lambda: (lines := self.lines()) and condition("\n".join(lines)) and lines, what)
        except AssertionError as error:
            shown = "\n".join(self.screen.display)
            raise AssertionError(f"{error}; the screen:\n{shown}") from None

    def row(self, *words):
        """Waits for a line that begins with these words, and returns its words."""
        found = []

        def shows(_):
            found[:] = [line.split() for line in self.screen.display if line.split()[: len(words)] == list(words)]
            return found

        self.until(shows, f"a line begins with {words}")
        return found[0]

    def exit_code(self):
        code = self.process.wait(TIMEOUT)
        self.lines()
        return code

    def is_restored(self):
        """Returns `True` if the terminal reads lines and echoes again, as before."""
        return termios.tcgetattr(self.slave) == self.settings

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
