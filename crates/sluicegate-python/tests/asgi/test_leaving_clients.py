"""Streams whose client leaves before their end, under uvicorn: where what they used can be settled, and where not."""

import subprocess
import sys
import time

import httpx
import pytest

APP = """
import asyncio, inspect, time
from typing import Annotated
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from sluicegate import Limiter
from sluicegate.fastapi import Pass, RateLimit

WAYS = ("async", "dependency", "sync")
quota = {"quota": "1000 items/hour", "algorithm": "fixed-window"}
limiter = Limiter(policy={"limits": {way: quota for way in WAYS}})
app = FastAPI()
generators = []

def limit(way):
    settings = {"cost": 500, "name": way, "key": lambda request: "me", "algorithm": "fixed-window", "limiter": limiter}
    return Depends(RateLimit("1000 items/hour", "1 concurrent", **settings))

@app.get("/async")
async def waits(permit: Annotated[Pass, limit("async")]):
    async def words():
        try:
            while True:
                yield "word "
                await asyncio.sleep(0.05)
        finally:
            await permit.settle_async(items=10)
    return StreamingResponse(words())

def counted(permit: Annotated[Pass, limit("dependency")]):
    try:
        yield
    finally:
        permit.settle(items=10)

def slowly():
    while True:
        yield "word "
        time.sleep(0.05)

@app.get("/dependency", dependencies=[Depends(counted)])
def dependency():
    return StreamingResponse(slowly())

@app.get("/sync")
def threads(permit: Annotated[Pass, limit("sync")]):
    def words():
        try:
            yield from slowly()
        finally:
            permit.settle(items=10)
    generators.append(words())
    return StreamingResponse(generators[-1])

@app.get("/left")
async def left():
    return {way: limiter.peek(limiter.charge(way, "me")).remaining for way in WAYS}

@app.get("/generator")
async def generator():
    return inspect.getgeneratorstate(generators[0])
"""


@pytest.fixture
def client(tmp_path):
    (tmp_path / "streams.py").write_text(APP)
    socket = str(tmp_path / "app.sock")
    command = [sys.executable, "-m", "uvicorn", "streams:app", "--app-dir", str(tmp_path), "--uds", socket]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = httpx.Client(transport=httpx.HTTPTransport(uds=socket), base_url="http://app", timeout=30)

    def serves():
        assert server.poll() is None
        try:
            return client.get("/left").status_code == 200
        except httpx.TransportError:
            return False

    until(serves)
    yield client
    client.close()
    # A stream that nobody ends would hold it up.
    server.kill()
    server.wait(30)


def until(is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline


def leave(client, path):
    with client.stream("GET", path) as stream:
        assert stream.status_code == 200
        assert next(stream.iter_text()).startswith("word")


@pytest.mark.parametrize("way", ["async", "dependency"])
def test_an_async_generator_and_a_dependency_that_yields_settle_when_the_client_has_left(client, way):
    leave(client, f"/{way}")
    until(lambda: client.get("/left").json()[way] == 990)


def test_a_sync_generator_is_never_told_that_its_client_has_left(client):
    leave(client, "/sync")

    def slot_is_back():
        with client.stream("GET", "/sync") as stream:
            return stream.status_code == 200

    until(slot_is_back)
    assert client.get("/generator").json() == "GEN_SUSPENDED"
    assert client.get("/left").json()["sync"] <= 500
