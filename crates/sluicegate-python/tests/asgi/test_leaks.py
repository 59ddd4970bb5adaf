"""Nothing grows: not with a million requests, and not with a hundred thousand that are cancelled."""

import json
import subprocess
import sys

import pytest

# Each scenario runs in a process of its own, and reports how much it grew (in MiB) after it had warmed up.
PROLOGUE = """
import asyncio, gc, json, os, sys
from sluicegate import Limiter, Quota
from sluicegate.fastapi import RateLimit, RateLimitMiddleware

def resident():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

def scope(number, path="/"):
    client = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 1)
    return {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
            "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [(b"host", b"localhost")],
            "client": client, "server": ("127.0.0.1", 80)}

async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}

async def send(message):
    pass

async def bare(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})

def grown(turn, warm, times):
    async def run():
        for number in range(warm):
            await turn(number)
        before = resident()
        for number in range(times):
            await turn(number)
        return resident() - before
    json.dump(asyncio.run(run()), sys.stdout)
"""

SCENARIOS = {
    "a million requests under the middleware": """
app = RateLimitMiddleware(bare, {"defaults": {"limits": ["10/hour"]}})
async def turn(number):
    await app(scope(number % 1000), receive, send)
grown(turn, 50_000, 1_000_000)
""",
    "requests for routes of Starlette": """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
@RateLimit("10/hour; 2 concurrent", key=lambda request: request.client.host)
async def root(request):
    return PlainTextResponse("")
app = Starlette(routes=[Route("/", root)])
async def turn(number):
    await app(scope(number % 1000), receive, send)
grown(turn, 5_000, 40_000)
""",
    "requests for routes of FastAPI": """
from fastapi import Depends, FastAPI
app = FastAPI(dependencies=[Depends(RateLimit("10/hour", "2 concurrent"))])
@app.get("/")
async def root():
    return {}
async def turn(number):
    await app(scope(number % 1000), receive, send)
grown(turn, 3_000, 10_000)
""",
    "takes and settlements": """
limiter = Limiter()
bill = Quota.parse("100 tokens/hour")
async def turn(number):
    if permit := limiter.take("alice", bill, 10):
        permit.settle(number % 10)
    with limiter.take(f"{number % 1000}", "2 concurrent") as slots:
        await limiter.peek_async("alice", "100 tokens/hour")
grown(turn, 20_000, 200_000)
""",
    "cancelled requests": """
async def waits(scope, receive, send):
    await asyncio.sleep(60)
app = RateLimitMiddleware(waits, {"defaults": {"limits": ["1000000/second", "1000 concurrent"]}})
async def turn(number):
    tasks = [asyncio.create_task(app(scope(client), receive, send)) for client in range(100)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
grown(turn, 100, 1_000)
""",
    "cancelled requests to Redis": """
async def waits(scope, receive, send):
    await asyncio.sleep(60)
limiter = Limiter(sys.argv[1], {"store": {"timeout": "1s"}, "defaults": {"limits": ["1000000/second", "1000 concurrent"]}})
app = RateLimitMiddleware(waits, limiter=limiter)
async def turn(number):
    tasks = [asyncio.create_task(app(scope(client), receive, send)) for client in range(100)]
    for _ in range(number % 4):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # What was cancelled is still asked: this waits until it has been answered.
    await limiter.take_async("last", "1000000/second")
grown(turn, 100, 1_000)
""",
    "takes of Redis": """
limiter = Limiter(sys.argv[1], {"store": {"timeout": "1s"}})
async def turn(number):
    await asyncio.gather(*[limiter.take_async(f"{client}", "10/hour") for client in range(100)])
grown(turn, 100, 500)
""",
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_memory_stays_what_it_is(scenario, arrange):
    script, arguments = SCENARIOS[scenario], []
    if "Redis" in scenario:
        arguments = [arrange("redis").url]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROLOGUE + script, *arguments], capture_output=True, text=True, timeout=100
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr, run.stderr
    assert json.loads(run.stdout) < 4, "MiB"
