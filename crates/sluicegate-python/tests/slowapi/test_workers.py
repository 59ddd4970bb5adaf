"""Apps as they are deployed: uvicorn, several workers, one Redis."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

APP = """
import asyncio, os
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse
from sluicegate.slowapi import Limiter, _rate_limit_exceeded_handler
from sluicegate.slowapi.errors import RateLimitExceeded
from sluicegate.slowapi.middleware import SlowAPIASGIMiddleware
from sluicegate.slowapi.util import get_remote_address

limiter = Limiter(get_remote_address, default_limits=["30/hour"], headers_enabled=True, storage_options={"socket_timeout": 1})
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
app.add_middleware(SlowAPIASGIMiddleware)
router = APIRouter(prefix="/v1")

@router.get("/default")
async def default():
    return {}

@app.get("/async")
@limiter.limit("30/hour")
async def waiting(request: Request):
    return {}

@app.get("/sync")
@limiter.limit("30/hour")
def plain(request: Request):
    return {}

@app.get("/stream")
async def stream():
    async def words():
        for word in ("one ", "two ", "three"):
            yield word
            await asyncio.sleep(0.01)
    return StreamingResponse(words())

@app.get("/worker")
@limiter.exempt
def worker():
    return os.getpid()

app.include_router(router)
"""


@pytest.fixture
def workers(tmp_path, arrange):
    """The URL of an app with four workers."""
    (tmp_path / "limited.py").write_text(APP)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "limited:app", "--app-dir", str(tmp_path), "--workers", "4", "--port", str(port)]
    environment = {**os.environ, "RATELIMIT_STORAGE_URL": arrange("redis").url}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as server:
        yield f"http://127.0.0.1:{port}"
        server.terminate()


def test_workers_that_share_a_redis_pass_exactly_what_the_limits_say(workers):
    seen, deadline = set(), time.monotonic() + 60
    while len(seen) < 4:
        assert time.monotonic() < deadline, "all workers serve"
        try:
            seen.add(httpx.get(f"{workers}/worker").json())
        except httpx.TransportError:
            continue

    def ask(path):
        return httpx.get(f"{workers}{path}", timeout=30).status_code

    with ThreadPoolExecutor(8) as threads:
        for path in ("/v1/default", "/async", "/sync"):
            assert sorted(threads.map(ask, [path] * 50)) == [200] * 30 + [429] * 20, path
    streamed = httpx.get(f"{workers}/stream")
    assert (streamed.text, streamed.headers["X-RateLimit-Remaining"]) == ("one two three", "29")
