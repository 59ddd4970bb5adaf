"""Connections to Redis that end while nobody asks: the next request is decided by Redis as if nothing had happened."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from server import until

# With the default timeout.
POLICY = """
[store]
url = "{url}"
outage = "{outage}"

[[route]]
path = "/models/limited"
limits = [{{ name = "limited", quota = "{quota}/hour", key = "global" }}]
"""
PATH = "/models/limited"
OUTAGES = pytest.mark.parametrize("outage", ["local", "deny"])


def statuses(gateway, times=1):
    with gateway.client() as client:
        return [client.get(PATH).status_code for _ in range(times)]


def asked_only_redis(gateway):
    """Returns true if the gateway has seen no outage of its store."""
    return gateway.store_is_up() and gateway.metric("sluicegate_store_outages_total") == 0


def closed_by_redis(redis):
    """Waits until Redis has closed every connection that is open now, because it was idle."""
    before = redis.clients()
    assert before
    until(lambda: not before & redis.clients(), "Redis has closed what was idle")


@OUTAGES
def test_redis_closes_what_is_idle(start, arrange, outage):
    # The gateway writes a mark of the time every 2.5 s. Redis counts whole seconds: a connection is idle after two to three
    # with `timeout 2`, but after two at most with `timeout 1`.
    redis = arrange("redis", "line=timeout 1")
    gateway = start(POLICY.format(url=redis.url, outage=outage, quota=10))
    assert statuses(gateway) == [200]
    for passing in ([200] * 7, [200] * 2 + [429] * 5):
        closed_by_redis(redis)
        assert statuses(gateway, 7) == passing
    assert asked_only_redis(gateway)


def test_redis_closes_between_any_two_requests(start, arrange):
    redis = arrange("redis", "line=timeout 1")
    policy = POLICY.format(url=redis.url, outage="local", quota=5)
    gateways = [start(policy) for _ in range(2)]
    answers = []
    for _ in range(4):
        for gateway in gateways:
            answers += statuses(gateway)
        closed_by_redis(redis)
    assert answers == [200] * 5 + [429] * 3
    assert all(asked_only_redis(gateway) for gateway in gateways)


@OUTAGES
def test_connections_that_are_killed(start, arrange, outage):
    redis = arrange("redis")
    gateway = start(POLICY.format(url=redis.url, outage=outage, quota=10))
    for passing in ([200] * 4, [200] * 4, [200] * 2 + [429] * 2):
        assert statuses(gateway, 4) == passing
        redis.command("CLIENT", "KILL", "TYPE", "normal")
    assert asked_only_redis(gateway)


@OUTAGES
def test_connections_that_the_network_resets(start, arrange, outage):
    redis = arrange("redis")
    proxy = arrange("proxy", redis.port())
    gateway = start(POLICY.format(url=proxy.url, outage=outage, quota=10))
    for passing in ([200] * 4, [200] * 4, [200] * 2 + [429] * 2):
        assert statuses(gateway, 4) == passing
        proxy.ask("reset")
    assert asked_only_redis(gateway)


@OUTAGES
def test_redis_restarts_while_the_gateway_idles(start, arrange, outage):
    redis = arrange("redis", "aof")
    gateway = start(POLICY.format(url=redis.url, outage=outage, quota=10))
    for passing in ([200] * 4, [200] * 4, [200] * 2 + [429] * 2):
        assert statuses(gateway, 4) == passing
        redis.restart()
    assert "TLS" not in gateway.logged()
    # The gateway may have seen that nobody was there, but no request has.
    assert decided_without_redis(gateway) == 0


def decided_without_redis(gateway):
    return sum(gateway.metric(f'sluicegate_outage_decisions_total{{outage="{outage}"}}') for outage in ("local", "deny"))


def test_a_nodes_connections_are_killed(start, arrange):
    cluster = arrange("cluster", "program=valkey-server")
    gateway = start(POLICY.format(url=cluster.url, outage="deny", quota=10))
    for passing in ([200] * 4, [200] * 4, [200] * 2 + [429] * 2):
        assert statuses(gateway, 4) == passing
        for node in range(3):
            cluster.command("CLIENT", "KILL", "TYPE", "normal", server=node)
    assert asked_only_redis(gateway)


def test_the_first_burst_on_a_busy_machine(start, arrange):
    with every_core_busy():
        for _ in range(3):
            redis = arrange("redis")
            gateway = start(POLICY.format(url=redis.url, outage="local", quota=40))
            with ThreadPoolExecutor(20) as callers, gateway.client() as client:
                answers = list(callers.map(lambda _: client.get(PATH).status_code, range(120)))
            assert answers.count(200) == 40
            assert asked_only_redis(gateway)


@contextmanager
def every_core_busy():
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()
