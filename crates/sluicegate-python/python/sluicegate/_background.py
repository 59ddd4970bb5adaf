"""`BackgroundJobs`: the work beside the requests of an app."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ._decisions import logger
from ._native import Limiter

App = Callable[..., Awaitable[None]]


class BackgroundJobs:
    """Ask the app every second whether it has warmed up, and read the file of API keys again if it has changed.

    They run in the event loop that serves the app, until there are none left, the app shuts down or its loop ends.
    """

    def __init__(self, app: App, limiter: Limiter) -> None:
        self._app = app
        self._limiter = limiter
        self._task: asyncio.Task[None] | None = None
        self._state: MutableMapping[str, Any] | None = None

    @property
    def are_left(self) -> bool:
        return self._limiter.warming_up is not None or self._limiter.has_api_keys

    def begin(self, state: MutableMapping[str, Any] | None) -> None:
        """Starts them in the running loop, unless they run there. `state` is what the app made at its start."""
        loop = asyncio.get_running_loop()
        task = self._task
        # A task that was left behind in a stopped loop is never done.
        if task is None or task.done() or task.get_loop() is not loop:
            self._state = state
            # Outside the context of the request, which would be kept for as long.
            self._task = contextvars.Context().run(loop.create_task, self._run())

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while self.are_left:
            try:
                await self._run_once()
            except Exception as error:
                # It may succeed in a second.
                logger.error("%s", error)
            await asyncio.sleep(_INTERVAL)

    async def _run_once(self) -> None:
        if self._limiter.has_api_keys:
            # The disk may be slow, or a network drive.
            await asyncio.to_thread(self._limiter.refresh)
        path = self._limiter.warming_up
        if path is not None and await self._is_ready(path):
            self._limiter.ready()

    async def _is_ready(self, path: str) -> bool:
        """Returns `True` if the app responds with 2xx to an in-process request, which no limit sees."""
        status = 0
        is_asked = False
        is_answered = asyncio.Event()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
        }
        if self._state is not None:
            scope["state"] = dict(self._state)

        async def receive() -> dict[str, Any]:
            nonlocal is_asked
            if is_asked:
                # An app that listens for the disconnect gets it when it has sent its response.
                await is_answered.wait()
                return {"type": "http.disconnect"}
            is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                is_answered.set()

        asked = asyncio.ensure_future(self._app(scope, receive, send))
        try:
            # Before Python 3.12, `wait_for` forgets a cancellation that comes together with the response.
            await asyncio.wait({asked}, timeout=_TIMEOUT)
        finally:
            asked.cancel()
        await asyncio.wait({asked})
        if asked.cancelled():
            logger.debug("%s does not respond within %s s", path, _TIMEOUT)
        elif error := asked.exception():
            logger.debug("%s fails with %r", path, error)
        return 200 <= status < 300


_INTERVAL = 1.0
_TIMEOUT = 3.0
