"""An app as it is deployed: uvicorn with four workers on one Redis."""

import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from server import Server, free_port, until
from starlette.testclient import TestClient

APP = """
import asyncio, os
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import StreamingResponse
from sluicegate import Limiter
from sluicegate.fastapi import RateLimit, RateLimitMiddleware

POLICY = {"store": {"timeout": "1s"}, "route": [{"path": "/v1/middleware", "limits": ["30/hour"]}]}
limiter = Limiter(policy=POLICY)
app = FastAPI()
app.add_middleware(RateLimitMiddleware, limiter=limiter)
router = APIRouter(prefix="/v1")

@router.get("/dependency", dependencies=[Depends(RateLimit("30/hour", limiter=limiter))])
async def dependency():
    return {}

@router.get("/decorated")
@RateLimit("30/hour", limiter=limiter)
def decorated():
    return {}

@router.get("/middleware")
async def middleware():
    return {}

@router.get("/slots", dependencies=[Depends(RateLimit("3 concurrent", key="global", limiter=limiter))])
async def slots():
    async def words():
        for _ in range(100):
            yield "word "
            await asyncio.sleep(0.01)
    return StreamingResponse(words())

app.include_router(router)

@app.get("/worker")
async def worker():
    return os.getpid()
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deployed.py").write_text(APP)
    return tmp_path


@pytest.fixture(params=["asyncio", "uvloop"])
def workers(request, folder, arrange):
    """The URL of four workers."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "uvicorn", "deployed:app", "--app-dir", folder, "--port", url.rsplit(":", 1)[1]]
    command += ["--workers", "4", "--loop", request.param]
    server = Server(command, f"{url}/worker", folder / "log", {"SLUICEGATE_STORE__URL": arrange("redis").url})
    seen = set()
    until(lambda: seen.add(httpx.get(f"{url}/worker", verify=False).json()) or len(seen) == 4, "all workers serve")
    yield url
    assert server.stop() == 0, server.logged()


def test_workers_pass_exactly_what_the_limits_say_and_give_slots_back(workers):
    def ask(path):
        with httpx.Client(verify=False, timeout=30) as client:
            return client.get(f"{workers}{path}").status_code

    with ThreadPoolExecutor(16) as threads:
        for path in ("/v1/dependency", "/v1/decorated", "/v1/middleware"):
            assert sorted(threads.map(ask, [path] * 60)) == [200] * 30 + [429] * 30, path

    def leave():
        with httpx.Client(verify=False, timeout=30) as client, client.stream("GET", f"{workers}/v1/slots") as answer:
            if answer.status_code == 200:
                next(answer.iter_raw())
            return answer.status_code

    for _ in range(10):
        # Each goes away in the middle of its stream, on whatever worker it is.
        until(lambda: leave() == 200, "the slot of a client that went away came back")


def test_an_apps_own_tests_see_what_its_users_see(folder, arrange, monkeypatch):
    monkeypatch.setenv("SLUICEGATE_STORE__URL", arrange("redis").url)
    scope = {"__name__": "deployed"}
    exec(compile(APP, "deployed.py", "exec"), scope)
    client = TestClient(scope["app"], client=("127.0.0.1", 50000))
    for path in ("/v1/dependency", "/v1/decorated", "/v1/middleware"):
        codes = [client.get(path).status_code for _ in range(40)]
        assert codes == [200] * 30 + [429] * 10, path
