"""Clients that ask without a pause."""

import time
from collections import Counter
from dataclasses import dataclass

from asking import Asking


@dataclass
class Answer:
    """The response to a request, and the times between which it was decided."""

    path: str
    sent: float
    received: float
    status: int


class Load(Asking):
    """Asks each of the gateways for each of the paths in turn, from `clients` clients per gateway, until `stop()`.

    Each request has an `x-client` of its own.
    """

    def __init__(self, gateways, paths, clients=2):
        super().__init__(
            (gateway, paths, f"{index}-{client}") for index, gateway in enumerate(gateways) for client in range(clients)
        )

    def codes(self, path):
        """The number of requests for `path`, by the status of their responses."""
        return Counter(answer.status for answer in list(self.answers) if answer.path == path)

    def passed(self, path):
        """The requests for `path` that passed, in the order in which they were sent."""
        passed = [answer for answer in list(self.answers) if answer.path == path and answer.status == 200]
        return sorted(passed, key=lambda answer: answer.sent)

    def _ask(self, gateway, paths, name):
        with gateway.client() as client:
            number = 0
            while not self.ended.is_set():
                path = paths[number % len(paths)]
                sent = time.monotonic()
                answer = client.get(path, headers={"x-client": f"{name}-{number}"})
                self.answers.append(Answer(path, sent, time.monotonic(), answer.status_code))
                number += 1
