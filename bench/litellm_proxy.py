"""LiteLLM's proxy with a limited key, for measurements beside it."""

import contextlib
import os
import secrets
import time

import chats
from chats import Bench
from environments import environment
from proxies import free_port, process, processor_time

NEEDS = ["litellm[proxy]==1.106.2"]
# The name of the model is none that it knows: for some, it downloads a tokenizer and lets all requests wait.
CONFIG = """
model_list:
  - model_name: mock-model
    litellm_params:
      model: openai/mock-model
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: none
litellm_settings:
  num_retries: 0
{cache}
general_settings:
  custom_auth: keys.check
"""
# With Redis, it keeps what keys have spent there, and no responses.
CACHE = """
  cache: true
  cache_params:
    type: redis
    host: 127.0.0.1
    port: {port}
    supported_call_types: []
"""
# Keys without a database: those that begin like this have the limits, limits that are never reached, or none.
LIMITED, UNREACHED, UNLIMITED = "sk-limited", "sk-unreached", "sk-unlimited"
KEYS = """
from litellm.proxy._types import UserAPIKeyAuth


async def check(request, api_key: str) -> UserAPIKeyAuth:
    limits = {{"sk-limited": ({rpm}, {tpm}), "sk-unreached": (10**9, 10**9)}}
    for name, (rpm, tpm) in limits.items():
        if api_key.startswith(name):
            return UserAPIKeyAuth(api_key=api_key, rpm_limit=rpm, tpm_limit=tpm)
    return UserAPIKeyAuth(api_key=api_key)
"""
WINDOW = 86400


@contextlib.contextmanager
def litellm(bench: Bench, cpus: str, rpm: int, tpm: int, redis: str | None = None, count: int = 1):
    """Some proxies with one worker each, as pairs of a port and a process id. Both limits are those of a day, so that none
    begins anew while something is measured."""
    python = environment("litellm", NEEDS)
    cache = CACHE.format(port=redis.rsplit(":", 1)[1]) if redis else ""
    config = bench.written("litellm.yaml", CONFIG.format(upstream=bench.upstream, cache=cache))
    bench.written("keys.py", KEYS.format(rpm=rpm, tpm=tpm))
    settings = {"LITELLM_LOG": "ERROR", "LITELLM_RATE_LIMIT_WINDOW_SIZE": str(WINDOW), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    # It does not start without one.
    settings["LITELLM_MASTER_KEY"] = f"sk-{secrets.token_hex(32)}"
    with contextlib.ExitStack() as running:
        log = running.enter_context((bench.folder / "litellm.log").open("w"))
        started = []
        for _ in range(count):
            port = free_port()
            command = [python.parent / "litellm", "--config", config, "--host", "127.0.0.1", "--port", port, "--num_workers", 1]
            server = running.enter_context(process(cpus, command, env={**os.environ, **settings}, stderr=log))
            started.append((port, server.pid))
        for port, _ in started:
            try:
                chats.wait_until_it_answers(port, authorized(UNLIMITED))
            except TimeoutError as error:
                raise SystemExit(f"{error}\n{(bench.folder / 'litellm.log').read_text()[-4000:]}") from error
        yield started


def authorized(key: str) -> str:
    """The line of a request's head that has a key."""
    return f"Authorization: Bearer {key}\r\n"


def wait_until_idle(pid: int) -> None:
    """Waits until a process does next to nothing: LiteLLM goes on for a while after a load."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        before = processor_time(pid)
        time.sleep(0.5)
        if processor_time(pid) - before < 0.02:
            return
