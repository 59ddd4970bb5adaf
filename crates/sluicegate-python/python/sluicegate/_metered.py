"""The response of an app to a request whose tokens are metered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ._native import Pass

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class StreamCut(Exception):
    """The tokens of a stream are spent, and its limit has `on_exhausted = "cut"`.

    The app's `send` raises it after the last bytes, and the middleware raises it again: the server closes the connection, so no
    client takes the stream for a complete one.
    """


async def run_metered(
    app: Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]],
    permit: Pass,
    scope: MutableMapping[str, Any],
    receive: Receive,
    send: Send,
) -> None:
    """Runs an app, and settles the permit by its response when the app has returned, has failed, or is cancelled.

    Work in the background counts to the request, as it may settle the permit by hand.
    """
    response = MeteredResponse(permit, receive, send)
    has_failed = False
    try:
        await app(scope, response.receive, response.send)
        # A server answers 500 for an app that has not answered.
        has_failed = True
    except Exception:
        has_failed = True
        raise
    finally:
        # An app that fails since its client has left has failed nobody, and one that is cancelled is told that.
        permit.finish(has_failed and not response.is_client_gone)
    if response.is_cut:
        raise StreamCut


class MeteredResponse:
    """Tells the permit of the messages between a server and an app."""

    def __init__(self, permit: Pass, receive: Receive, send: Send) -> None:
        self._permit = permit
        self._receive = receive
        self._send = send
        self.is_client_gone = False
        self.is_cut = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.is_client_gone = True
        return message

    async def send(self, message: Message) -> None:
        if self.is_cut:
            raise StreamCut
        kind = message["type"]
        if kind == "http.response.body":
            await self._send_body(message)
            return
        if kind == "http.response.start":
            headers = message.get("headers", ())
            self._permit.answered(message["status"], headers)
            message = {**message, "headers": self._permit.applied(headers)}
        await self._send(message)

    async def _send_body(self, message: Message) -> None:
        piece, is_last = message.get("body", b""), not message.get("more_body", False)
        last_bytes = self._permit.data(piece if type(piece) is bytes else bytes(piece), is_last)
        await self._send(message)
        if last_bytes is not None:
            self.is_cut = True
            await self._send({"type": "http.response.body", "body": last_bytes, "more_body": True})
            raise StreamCut
