"""Clients that ask without a pause."""

import threading
import time
from collections import Counter
from dataclasses import dataclass


@dataclass
class Answer:
    """What a request was answered, and between which times it was decided."""

    path: str
    sent: float
    received: float
    status: int


class Load:
    """Asks each of the gateways for each of the paths in turn, from `clients` clients per gateway, until `stop()`.

    Each request has an `x-client` of its own.
    """

    def __init__(self, gateways, paths, clients=2):
        self.answers = []
        self.ended = threading.Event()
        self.failed = []
        self.threads = [
            threading.Thread(target=self._ask, args=(gateway, paths, f"{index}-{client}"))
            for index, gateway in enumerate(gateways)
            for client in range(clients)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends all clients, and says what went wrong with one of them."""
        self.ended.set()
        for thread in self.threads:
            thread.join()
        if self.failed:
            raise self.failed[0]

    def codes(self, path):
        """How many requests for `path` were answered how."""
        return Counter(answer.status for answer in list(self.answers) if answer.path == path)

    def passed(self, path):
        """The requests for `path` that passed, in the order in which they were sent."""
        passed = [answer for answer in list(self.answers) if answer.path == path and answer.status == 200]
        return sorted(passed, key=lambda answer: answer.sent)

    def _ask(self, gateway, paths, name):
        try:
            with gateway.client() as client:
                number = 0
                while not self.ended.is_set():
                    path = paths[number % len(paths)]
                    sent = time.monotonic()
                    answer = client.get(path, headers={"x-client": f"{name}-{number}"})
                    self.answers.append(Answer(path, sent, time.monotonic(), answer.status_code))
                    number += 1
        except Exception as error:
            self.failed.append(error)
