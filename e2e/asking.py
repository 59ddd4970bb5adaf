"""Threads that ask the gateway at the same time."""

import threading


class Asking:
    """Threads that ask, one for each of `shares`, until `stop()`.

    Each runs `_ask` with its share, which returns once `ended` is set. The first exception is raised by `stop()`.
    """

    def __init__(self, shares):
        self.answers = []
        self.ended = threading.Event()
        self.failed = []
        self.threads = [threading.Thread(target=self._run, args=share) for share in shares]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends all threads, and says what went wrong in one of them."""
        self.ended.set()
        for thread in self.threads:
            thread.join()
        if self.failed:
            raise self.failed[0]

    def _run(self, *share):
        try:
            self._ask(*share)
        except Exception as error:
            self.failed.append(error)
