"""Apps on Unix sockets, as nginx asks them: uvicorn, granian and hypercorn, with a client on the socket."""

import subprocess
import sys
import time

import httpx
import pytest

APP = """
import os
from contextlib import asynccontextmanager
from fastapi import Depends, FastAPI, Request
from sluicegate import Limiter
from sluicegate.fastapi import RateLimit, RateLimitMiddleware
from sluicegate.fastapi_limiter import FastAPILimiter
from sluicegate.fastapi_limiter.depends import RateLimiter
from sluicegate.slowapi import Limiter as SlowLimiter, _rate_limit_exceeded_handler
from sluicegate.slowapi.errors import RateLimitExceeded
from sluicegate.slowapi.util import get_ipaddr

proxies = os.environ["PROXIES"].split()
policy = {"gateway": {"trusted_proxies": proxies}}
slow = SlowLimiter(get_ipaddr, trusted_proxies=proxies, key_style="endpoint")

@asynccontextmanager
async def lifespan(app):
    await FastAPILimiter.init("memory://", trusted_proxies=proxies)
    yield

app = FastAPI(lifespan=lifespan)
app.state.limiter = slow
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
app.add_middleware(RateLimitMiddleware, policy={**policy, "route": [{"path": "/middleware", "limits": ["2/hour"]}]})

@app.get("/client")
async def client(request: Request):
    return request.scope.get("client")

@app.get("/middleware")
async def middleware():
    return {}

@app.get("/dependency", dependencies=[Depends(RateLimit("2/hour", limiter=Limiter(policy=policy)))])
async def dependency():
    return {}

@app.get("/slowapi")
@slow.limit("2/hour")
async def slowapi(request: Request):
    return {}

@app.get("/fastapi-limiter", dependencies=[Depends(RateLimiter(times=2, hours=1))])
async def fastapi_limiter():
    return {}
"""
WAYS = ["/middleware", "/dependency", "/slowapi", "/fastapi-limiter"]
SERVERS = {
    "uvicorn": (["uvicorn", "--uds", "{socket}", "served:app"], None),
    "granian": (["granian", "--interface", "asgi", "--uds", "{socket}", "served:app"], ["", 0]),
    "hypercorn": (["hypercorn", "--bind", "unix:{socket}", "served:app"], None),
}


@pytest.fixture(params=list(SERVERS))
def serve(request, tmp_path):
    """Serves the app on a socket: `ask, client = serve("unix")`."""
    pytest.importorskip(request.param, reason="looked at with the newest stack")
    (tmp_path / "served.py").write_text(APP)
    command, client = SERVERS[request.param]
    running = []

    def serve(proxies):
        socket = str(tmp_path / "app.sock")
        command_here = [sys.executable, "-m", *(word.format(socket=socket) for word in command)]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path), "PROXIES": proxies}
        server = subprocess.Popen(
            command_here, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        asked = httpx.Client(transport=httpx.HTTPTransport(uds=socket), base_url="http://app", timeout=30)
        running.append((server, asked))
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None and time.monotonic() < deadline, "it serves"
            try:
                asked.get("/client")
            except httpx.TransportError:
                continue
            return asked, client

    yield serve
    for server, asked in running:
        asked.close()
        server.terminate()
        server.wait(30)


def test_callers_are_told_apart_by_the_header_where_unix_is_trusted(serve):
    asked, client = serve("unix 10.0.0.0/8")
    told = asked.get("/client").json()
    # granian's port is a text.
    assert (told and [told[0], int(told[1])]) == client
    for path in WAYS:

        def statuses(*forwarded, path=path):
            return [asked.get(path, headers={"x-forwarded-for": hops}).status_code for hops in forwarded]

        one, other = "198.51.100.1", "198.51.100.2"
        # Behind another proxy of ours, and with what a client invents before it.
        assert statuses(one, f"{one}, 10.1.1.1", one, other) == [200, 200, 429, 200], path
        assert statuses(*(f"203.0.113.{forged}, {other}" for forged in range(2))) == [200, 429], path


def test_a_header_changes_nothing_where_unix_is_not_trusted(serve):
    asked, _ = serve("10.0.0.0/8")
    for path in WAYS:
        statuses = [asked.get(path, headers={"x-forwarded-for": f"198.51.100.{last}"}).status_code for last in range(4)]
        assert statuses == [200, 200, 429, 429], path
