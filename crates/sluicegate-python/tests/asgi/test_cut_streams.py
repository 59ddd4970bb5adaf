"""Streams that are cut because their tokens are spent, as clients of uvicorn see them."""

import subprocess
import sys
import time

import httpx
import pytest

CUT = "/cut/chat"
POLICY = {
    "limits": {"cut": {"quota": "20 output_tokens/day", "on_exhausted": "cut"}},
    "route": [{"path": CUT, "meter": {"tokens": "openai", "default_output": 10}, "limits": ["cut"]}],
}
WORD = b'data: {"choices":[{"index":0,"delta":{"content":" word"}}]}\n\n'
UVICORN = f"""
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from sluicegate import Charge, Limiter
from sluicegate.fastapi import RateLimitMiddleware

POLICY = {POLICY!r}

async def chat(request):
    async def events():
        for _ in range(30):
            yield {WORD!r}
    return StreamingResponse(events(), media_type="text/event-stream")

app = RateLimitMiddleware(Starlette(routes=[Route("{CUT}", chat, methods=["POST"])]), policy=POLICY)
"""


@pytest.mark.parametrize("implementation", ["h11", "httptools"])
def test_the_client_of_a_stream_that_is_cut_sees_an_incomplete_body(tmp_path, implementation):
    (tmp_path / "cut.py").write_text(UVICORN)
    socket = str(tmp_path / "app.sock")
    command = [sys.executable, "-m", "uvicorn", "cut:app", "--app-dir", str(tmp_path), "--uds", socket, "--http", implementation]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = httpx.Client(transport=httpx.HTTPTransport(uds=socket), base_url="http://app", timeout=30)
        until_it_listens(client)
        seen = b""
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):  # noqa: SIM117
            with client.stream("POST", CUT, json={"messages": [{"role": "user", "content": "hi"}], "stream": True}) as response:
                for piece in response.iter_raw():
                    seen += piece
        assert seen.startswith(WORD * 21 + b'data: {"error":') and seen.endswith(b"\n\n")
    finally:
        server.terminate()
        server.wait()


def until_it_listens(client):
    for _ in range(1000):
        try:
            return client.get("/")
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("in time")
