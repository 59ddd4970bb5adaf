"""The duration of decisions, which is the same measure as the gateway's."""

import asyncio
import re

from sluicegate import Limiter, ManualClock
from sluicegate._native import exposition
from sluicegate.fastapi import RateLimitMiddleware

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/items",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")],
    "client": ("203.0.113.7", 50000),
}
POLICY = {"route": [{"path": "/items", "meter": {"items": "/inputs"}, "limits": ["9 items/minute"]}]}


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def told():
    """The number of decisions so far, and their seconds."""
    _, text = exposition("text/plain")
    return [
        float(re.search(rf"^sluicegate_decision_duration_seconds_{name} (\S+)$", text, re.M)[1])
        for name in ("count", "sum")
    ]


def test_the_time_that_a_client_takes_to_send_its_body_is_left_out():
    clock = ManualClock()

    async def receive():
        clock.advance(50)
        return {"type": "http.request", "body": b'{"inputs": 1}'}

    async def send(message):
        pass

    count, seconds = told()
    asyncio.run(RateLimitMiddleware(app, limiter=Limiter(policy=POLICY, clock=clock))(SCOPE, receive, send))
    assert told() == [count + 1, seconds]
