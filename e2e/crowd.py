"""Callers with an account each, counted one by one."""

import re
import socket
import time
from collections import Counter
from dataclasses import dataclass

from asking import Asking
from server import TIMEOUT, until

PATH = "/models/limited"


@dataclass
class Answer:
    """The answer to a caller's request, the time at which it came, and its duration."""

    caller: str
    status: int
    received: float
    seconds: float


class Crowd(Asking):
    """Asks each of the gateways for each of the callers in turn, over some connections per gateway, until `stop()`.

    A caller's name is in `x-client`. With `reconnects`, a gateway may go away and come back.
    """

    def __init__(self, gateways, callers=60, connections=4, pause=0.002, reconnects=False):
        self.callers = [f"caller-{number:03}" for number in range(callers)]
        self.reconnects = reconnects
        self.pause = pause * len(gateways)
        super().__init__(
            (gateway.address(), self.callers[connection::connections])
            for gateway in gateways
            for connection in range(connections)
        )

    def until_all_are_denied(self, timeout=2 * TIMEOUT):
        """Waits until each caller has been denied often since the last request of all that passed."""
        until(self._all_are_denied, "every caller is denied", timeout)

    def passed(self, callers=None):
        """The number of requests of each caller that passed."""
        passed = Counter(answer.caller for answer in list(self.answers) if answer.status == 200)
        return {caller: passed[caller] for caller in (self.callers if callers is None else callers)}

    def statuses(self, callers=None):
        """The number of answers of each status."""
        callers = set(self.callers if callers is None else callers)
        return Counter(answer.status for answer in list(self.answers) if answer.caller in callers)

    def seen(self, callers=None):
        """The text of a test that fails: pairs of an amount that passed and its number of callers, and all statuses."""
        return f"passed {sorted(Counter(self.passed(callers).values()).items())}, statuses {dict(self.statuses(callers))}"

    def asks_on(self, answers=500):
        """Waits until the crowd has got some more answers."""
        asked = len(self.answers)
        until(lambda: self.failed or len(self.answers) > asked + answers, "the crowd goes on", timeout=2 * TIMEOUT)

    def _all_are_denied(self):
        denied = Counter()
        for answer in reversed(list(self.answers)):
            if answer.status == 200:
                break
            denied[answer.caller] += answer.status == 429
        return self.failed or all(denied[caller] >= 3 for caller in self.callers)

    def _ask(self, address, callers):
        while not self.ended.wait(self.pause):
            try:
                with socket.create_connection(address, timeout=TIMEOUT) as connection:
                    self._ask_on(connection, callers)
            except ConnectionError:
                if not self.reconnects:
                    raise

    def _ask_on(self, connection, callers):
        number = 0
        while not self.ended.wait(self.pause):
            caller = callers[number % len(callers)]
            sent = time.monotonic()
            status = ask(connection, caller)
            received = time.monotonic()
            self.answers.append(Answer(caller, status, received, received - sent))
            number += 1


def ask(connection, caller):
    """The status of one caller's request. Clients of the Python world's libraries take several times the processor's time."""
    connection.sendall(f"GET {PATH} HTTP/1.1\r\nhost: gateway\r\nx-client: {caller}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += received(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    left = int(length[1]) - len(body)
    while left > 0:
        left -= len(received(connection))
    return int(head.split(b" ", 2)[1])


def received(connection):
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the gateway has closed the connection")
    return data
