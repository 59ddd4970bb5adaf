"""The middleware's background jobs: checking the warm-up of the app, and reading the file of API keys again."""

import asyncio
import gc
import logging
import os
import threading
import warnings

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sluicegate import Limiter, PolicyError
from sluicegate import _background
from sluicegate.asgi import RateLimitMiddleware

WARMUP = {"warmup": {"ready": "/health"}}


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(_background, "_INTERVAL", 0.01)


def limited(health, policy=None, **settings):
    """An app under a policy, and its limiter."""
    limiter = Limiter(policy=policy or WARMUP)
    app = Starlette(routes=[Route("/health", health), Route("/ping", pong)], **settings)
    app.add_middleware(RateLimitMiddleware, limiter=limiter)
    return app, limiter


async def pong(request):
    return PlainTextResponse("pong")


def served(app, condition):
    """Serves the app from its start to its end, until the condition holds."""

    async def wait():
        while not condition():
            await asyncio.sleep(0.01)

    with TestClient(app) as client:
        client.portal.call(asyncio.wait_for, wait(), 15)


def ready(limiter):
    return lambda: limiter.warming_up is None


def test_an_app_without_requests_warms_up():
    app, limiter = limited(pong)
    served(app, ready(limiter))
    assert limiter.warming_up is None


def test_a_health_check_that_streams_is_heard_to_its_end():
    # It listens meanwhile whether its client is still there.
    async def health(request):
        async def chunks():
            yield b"ready"
            await asyncio.sleep(0)

        return StreamingResponse(chunks())

    app, limiter = limited(health)
    served(app, ready(limiter))


def test_a_health_check_that_hangs_or_fails_is_asked_again(monkeypatch):
    monkeypatch.setattr(_background, "_TIMEOUT", 0.01)
    asked = []

    async def health(request):
        asked.append(request)
        if len(asked) == 1:
            await asyncio.sleep(60)
        if len(asked) == 2:
            raise RuntimeError("no model yet")
        return PlainTextResponse("ready")

    app, limiter = limited(health)
    served(app, ready(limiter))
    assert len(asked) == 3


def test_an_answer_of_2xx_is_ready_and_no_other_is():
    statuses = [404, 302, 503, 204]
    answers = iter(statuses)

    async def health(request):
        return PlainTextResponse("", next(answers))

    app, limiter = limited(health)
    served(app, ready(limiter))
    assert next(answers, None) is None


def test_a_health_check_sees_what_the_app_made_at_its_start():
    class Lifespan:
        def __init__(self, app):
            pass

        async def __aenter__(self):
            return {"model": "loaded"}

        async def __aexit__(self, *raised):
            pass

    async def health(request):
        return PlainTextResponse(request.state.model)

    app, limiter = limited(health, lifespan=Lifespan)
    served(app, ready(limiter))


def test_an_app_that_shuts_down_is_asked_no_more():
    states = []

    async def health(request):
        states.append("asked")
        return PlainTextResponse("not yet", 503)

    class Lifespan:
        def __init__(self, app):
            pass

        async def __aenter__(self):
            pass

        async def __aexit__(self, *raised):
            states.append("down")
            await asyncio.sleep(0.1)

    app, limiter = limited(health, lifespan=Lifespan)
    served(app, lambda: "asked" in states)
    assert states.count("down") == 1
    assert states[-1] == "down"


def test_jobs_that_are_ended_while_the_app_responds_have_ended():
    asked = []

    def jobs():
        return [task for task in asyncio.all_tasks() if "BackgroundJobs" in task.get_coro().__qualname__]

    async def health(request):
        asked.append(request)
        for job in jobs():
            job.cancel()
        return PlainTextResponse("not yet", 503)

    app, limiter = limited(health)
    served(app, lambda: asked and not jobs())
    assert limiter.warming_up is not None


def test_in_a_second_loop_the_jobs_begin_anew():
    is_ready = threading.Event()

    async def health(request):
        return PlainTextResponse("", 200 if is_ready.is_set() else 503)

    app, limiter = limited(health)

    async def ask():
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            pass

        scope = {"type": "http", "method": "GET", "path": "/ping", "headers": [], "query_string": b""}
        await app(scope, receive, send)

    async def ask_until_ready():
        while limiter.warming_up:
            await ask()
            await asyncio.sleep(0.01)

    first = asyncio.new_event_loop()
    first.run_until_complete(ask())
    is_ready.set()
    # The first loop is stopped, with its jobs still running.
    second = asyncio.new_event_loop()
    second.run_until_complete(asyncio.wait_for(ask_until_ready(), 15))

    async def leave():
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    for loop in (first, second):
        loop.run_until_complete(leave())
        loop.close()


def test_jobs_that_are_done_are_not_begun_again():
    app, limiter = limited(pong)
    with TestClient(app) as client:
        while limiter.warming_up:
            client.get("/ping")

        async def jobs():
            await asyncio.sleep(0.05)
            return [task for task in asyncio.all_tasks() if "BackgroundJobs" in repr(task)]

        client.get("/ping")
        assert client.portal.call(jobs) == []


@pytest.fixture
def keys(tmp_path):
    """A policy with a file of API keys, and that file."""
    path = tmp_path / "keys.toml"
    path.write_text("")
    (tmp_path / "sluicegate.toml").write_text('[identity]\napi_keys = "keys.toml"\n')
    return tmp_path / "sluicegate.toml", path


def write(path, text):
    """Puts another file in its place, as editors do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def test_a_file_of_keys_is_found_beside_its_policy(keys, monkeypatch, tmp_path_factory):
    policy, path = keys
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert Limiter(policy=policy).has_api_keys
    path.unlink()
    with pytest.raises(PolicyError, match="keys.toml"):
        Limiter(policy=policy)


def test_a_file_of_keys_that_makes_no_sense_is_told_once(keys):
    policy, path = keys
    limiter = Limiter(policy=policy)
    limiter.refresh()
    write(path, "no keys")
    with pytest.raises(PolicyError, match="keys.toml"):
        limiter.refresh()
    limiter.refresh()
    write(path, "")
    limiter.refresh()


def test_a_file_of_keys_that_makes_no_sense_ends_no_jobs(keys, caplog):
    policy, path = keys
    app, limiter = limited(pong, {**WARMUP, "identity": {"api_keys": str(path)}})
    is_told = lambda: any("keys.toml" in record.getMessage() for record in caplog.records)  # noqa: E731
    write(path, "no keys")
    # Known to be wrong from now on, and told when the jobs next run.
    with caplog.at_level(logging.ERROR, "sluicegate"):
        served(app, lambda: is_told() and limiter.warming_up is None)
    assert sum("keys.toml" in record.getMessage() for record in caplog.records) == 1


def test_a_loop_that_ends_leaves_nothing_of_the_jobs_behind():
    async def health(request):
        return PlainTextResponse("not yet", 503)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app, limiter = limited(health)
        TestClient(app).get("/ping")
        TestClient(app).get("/ping")
        del app, limiter
        gc.collect()
