"""A recording of the middleware's answers to many kinds of requests, compared byte by byte.

The requests are those that the gateway's recording is made of. With `SLUICEGATE_RECORD` set the test writes the recording instead.
"""

import asyncio
import os
import pathlib
import re
import tomllib

import pytest

from sluicegate import Limiter, ManualClock
from sluicegate.fastapi import RateLimitMiddleware

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "sluicegate-policy/tests/recording"
RECORDING = tomllib.loads((FOLDER / "requests.toml").read_text())
CASES = {case["name"]: case for case in RECORDING["case"] if case.get("only") != "gateway"}
KEPT = FOLDER / "middleware.txt"
END = "==== end ====\n"


class App:
    """Answers with the head that it was asked, and never at all to /slot/hang."""

    def __init__(self):
        self.running = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        path = scope["path"]
        if path == "/slot/hang":
            self.running.set()
            await asyncio.Event().wait()
        status = 503 if path == "/health" else 200
        read = 0
        while True:
            message = await receive()
            read += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
        headers = [(b"content-type", b"text/plain")]
        if path == "/own":
            headers += [(b"ratelimit", b'"mine";r=7'), (b"x-ratelimit-limit", b"9")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": f"{scope['method']} {path} read {read}".encode()})


def scope_of(request):
    """The scope of a request, and its body."""
    head, _, body = request.partition("\n\n")
    first, *lines = head.split("\n")
    method, target = first.split(" ")
    path, _, query = target.partition("?")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    names = {name.lower() for name, _ in headers}
    headers = [(name, value) for name, value in headers if (name, value) != ("X-Request-Id", "-")]
    if "host" not in names:
        headers.append(("Host", "models.example"))
    if "x-request-id" not in names:
        headers.append(("X-Request-Id", "recorded"))
    if body:
        headers.append(("Content-Length", str(len(body))))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": re.sub("%([0-9a-fA-F]{2})", lambda byte: chr(int(byte[1], 16)), path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "extensions": {"websocket.http.response": {}},
    }
    if ("Upgrade", "websocket") in headers:
        scope = {**scope, "type": "websocket", "scheme": "ws", "subprotocols": []}
    return scope, body.encode()


async def answer_of(app, request):
    """The messages of an app, as they are kept."""
    scope, body = scope_of(request)
    messages = [{"type": "http.request", "body": body[:9], "more_body": True}, {"type": "http.request", "body": body[9:]}]
    if scope["type"] == "websocket":
        messages = [{"type": "websocket.connect"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    lines = []
    for message in sent:
        body = message.get("body", b"").decode()
        head = [(name.decode(), value.decode()) for name, value in message.get("headers", ())]
        lines.append(" ".join(str(message[name]) for name in ("type", "status", "code", "reason") if name in message))
        for name, value in head:
            is_id = re.fullmatch("[0-9a-f]{32}", value)
            lines.append(f"{name}: {'MOMENT' if name in MOMENTS else 'ID' if is_id else value}")
        if "body" in message:
            lines.append(re.sub('"[0-9a-f]{32}"', '"ID"', body))
    return "\n".join(lines) + "\n"


async def answers_of(case):
    """All answers of one case."""
    policy = tomllib.loads(case.get("policy", RECORDING["policy"]).replace("{keys}", str(FOLDER / "keys.toml")))
    clock = {} if "store" in policy else {"clock": ManualClock()}
    app = App()
    limited = RateLimitMiddleware(app, limiter=Limiter(policy=policy, **clock))
    answers, held = f"==== {case['name']} ====\n", []
    for request in case["requests"]:
        times, asked = re.fullmatch(r"(?:(\d+) )?(.*)", request, re.S).groups()
        for _ in range(int(times or 1)):
            answers += f"\n---- {asked.splitlines()[0]} ----\n"
            if asked.splitlines()[0].endswith("/slot/hang"):
                held.append(asyncio.ensure_future(answer_of(limited, asked)))
                await app.running.wait()
            else:
                answers += await answer_of(limited, asked)
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    return answers + END


def test_the_recording_is_of_these_cases():
    if "SLUICEGATE_RECORD" in os.environ:
        KEPT.write_text("".join(asyncio.run(answers_of(case)) for case in CASES.values()), newline="")
    assert list(kept()) == list(CASES)


def kept():
    cases = KEPT.read_bytes().decode().split(END)[:-1]
    return {case.partition(" ====\n")[0].removeprefix("==== "): case + END for case in cases}


@pytest.mark.parametrize("name", CASES)
def test_the_same_requests_get_the_same_answers_as_ever(name):
    assert asyncio.run(answers_of(CASES[name])) == kept()[name]


MOMENTS = {"retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset"}
"""Fields that tell a moment, or a wait to the millisecond."""
