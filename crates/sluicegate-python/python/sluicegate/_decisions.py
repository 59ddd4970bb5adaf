"""Handling of native decisions: waiting, sending, logging."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ._native import Answer, Pass, Visit

logger = logging.getLogger("sluicegate")

PERMIT = "sluicegate.permit"
"""Where a scope has the permit of its request."""


async def decided(
    step: Pass | Answer | Visit | Awaitable[Any], read: Callable[[Visit], Awaitable[None]]
) -> Pass | Answer:
    """The decision, once the store has answered, and the body has been read where it tells a cost or a key."""
    while True:
        if type(step) is Pass or type(step) is Answer:
            return step
        if type(step) is Visit:
            await read(step)
            step = step.decide()
        else:
            step = await step


async def answered(
    answer: Answer, scope: MutableMapping[str, Any], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Sends an answer instead of the app's."""
    prefix = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", ()):
            # Before a WebSocket is accepted, a server makes a plain 403 of this.
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "Too Many Requests"})
            return
        prefix = "websocket.http.response"
    await send({"type": f"{prefix}.start", "status": answer.status, "headers": answer.headers})
    await send({"type": f"{prefix}.body", "body": answer.body})


def log_denial(answer: Answer) -> None:
    """One line for each denial, with a key that tells callers apart but not who they are."""
    if answer.store_error is not None:
        logger.error("the store did not answer: %s", answer.store_error)
    elif logger.isEnabledFor(logging.INFO) and answer.limit is not None:
        logger.info(
            "denied route=%s limit=%s key=%s retry_after=%s",
            answer.route,
            answer.limit,
            answer.key,
            answer.retry_after,
        )


TRY_AGAIN_LATER = 1013
"""The close code of <https://www.iana.org/assignments/websocket/>."""
