"""An app as it is deployed: uvicorn with several workers on one Redis."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

pytest.importorskip("redis")

APP = """
import os
from contextlib import asynccontextmanager

import redis.asyncio as redis
from fastapi import APIRouter, Depends, FastAPI

from sluicegate.fastapi_limiter import FastAPILimiter
from sluicegate.fastapi_limiter.depends import RateLimiter


@asynccontextmanager
async def lifespan(app):
    await FastAPILimiter.init(redis.from_url(os.environ["REDIS_URL"]), store={"timeout": "1s"})
    yield
    await FastAPILimiter.close()


app, router = FastAPI(lifespan=lifespan), APIRouter(prefix="/models")


@router.get("/{model}", dependencies=[Depends(RateLimiter(times=20, minutes=10))])
async def predict(model: str):
    return "iris setosa"


@router.get("")
async def worker():
    return os.getpid()


app.include_router(router)
"""


@pytest.fixture
def workers(tmp_path, arrange):
    """The URL of an app with four workers."""
    (tmp_path / "served.py").write_text(APP)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "served:app", "--app-dir", str(tmp_path), "--workers", "4", "--port", str(port)]
    environment = {**os.environ, "REDIS_URL": arrange("redis").url}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as server:
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGTERM)


def test_workers_that_share_a_redis_pass_exactly_what_the_limit_says(workers):
    seen, deadline = set(), time.monotonic() + 60
    while len(seen) < 4:
        assert time.monotonic() < deadline, "all workers serve"
        with suppress(httpx.TransportError):
            seen.add(httpx.get(f"{workers}/models").json())
    with ThreadPoolExecutor(8) as crowd:
        # A connection for each request: the workers share the listener, and a kept connection stays with one of them.
        answers = list(crowd.map(lambda _: httpx.get(f"{workers}/models/iris").status_code, range(100)))
    assert Counter(answers) == {200: 20, 429: 80}
