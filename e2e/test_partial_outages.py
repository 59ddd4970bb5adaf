"""A store of several servers of which one fails, and a server that fails again and again.

Callers of the other servers notice nothing and get their quota exactly. Callers of the failing one get it at most
twice, however long it fails and however often: once from the store and once from the gateways' memory.
"""

import re
import socket
import time
from contextlib import contextmanager

import pytest

from crowd import Crowd
from server import until

POLICY = """
[store]
url = "{url}"
timeout = "{timeout}"
outage = "{outage}"
replicas = {gateways}
keys = "readable"

[[route]]
path = "/models/limited"
limits = [{{ name = "limited", quota = "12/hour", key = "header:x-client" }}]
"""
QUOTA = 12
VALKEY = "program=valkey-server"
# A server's default, after which a cluster replaces a silent node: so it does not while one is silent here.
UNHURRIED = "node_timeout=15000"

one_and_three = pytest.mark.parametrize("gateways", [1, 3])


class Trouble:
    """A crowd that has spent all of its quotas, at gateways whose store fails in part."""

    def __init__(self, start, gateways, url, outage, timeout, callers):
        policy = POLICY.format(url=url, outage=outage, gateways=gateways, timeout=timeout)
        self.gateways = [start(policy) for _ in range(gateways)]
        self.crowd = Crowd(self.gateways, callers)

    def lasts(self, seconds):
        ends = time.monotonic() + seconds
        until(lambda: time.monotonic() >= ends, "the time is over", timeout=2 * seconds)

    def has_ended(self):
        """Waits until the outage is over: all gateways find their store whole, and the crowd continues for a while."""
        until(lambda: all(gateway.store_is_up() for gateway in self.gateways), "the store is up for all")
        self.crowd.asks_on(600)


@pytest.fixture
def trouble(start):
    """`with trouble(gateways, url) as it:` breaks something in the store and names the callers of that server, `it.apart`.

    Then it counts every caller's requests.
    """

    @contextmanager
    def trouble(gateways, url, outage="local", timeout="250ms", callers=60):
        it = Trouble(start, gateways, url, outage, timeout, callers)
        with it.crowd as crowd:
            crowd.until_all_are_denied()
            assert set(crowd.passed().values()) == {QUOTA}
            yield it
            it.has_ended()
        others = set(crowd.callers) - it.apart
        seen = f"others: {crowd.seen(others)}; apart: {crowd.seen(it.apart)}"
        assert set(crowd.statuses(others)) <= {200, 429}, seen
        assert set(crowd.passed(others).values()) <= {QUOTA}, seen
        assert set(crowd.statuses(it.apart)) <= ({200, 429} if outage == "local" else {200, 429, 503}), seen
        most = 2 * QUOTA if outage == "local" else QUOTA
        assert all(QUOTA <= passed <= most for passed in crowd.passed(it.apart).values()), seen

    return trouble


def callers_on(cluster, node):
    """The callers whose accounts are on a node: some, and not all."""
    keys = cluster.command("KEYS", "*", server=node)
    callers = set(re.findall(r"caller-\d+", keys))
    assert 5 <= len(callers) <= 55
    return callers


def silent(trouble, cluster, gateways, seconds, outage="local"):
    """One node of a cluster hangs for a while."""
    with trouble(gateways, cluster.url, outage) as it:
        it.apart = callers_on(cluster, 1)
        cluster.pause(1)
        it.lasts(seconds)
        cluster.resume(1)


@one_and_three
@pytest.mark.parametrize("outage", ["local", "deny"])
def test_a_node_of_valkeys_cluster_that_is_silent_for_a_moment(arrange, trouble, gateways, outage):
    silent(trouble, arrange("cluster", VALKEY, UNHURRIED), gateways, 1.5, outage)


def test_a_node_of_valkeys_cluster_that_is_silent_for_long(arrange, trouble):
    silent(trouble, arrange("cluster", VALKEY, UNHURRIED), 1, 6)


def test_a_node_of_redis_cluster_that_is_silent_for_long(arrange, trouble):
    silent(trouble, arrange("cluster", UNHURRIED), 3, 5)


@one_and_three
def test_a_node_of_valkeys_cluster_that_is_killed_and_replaced(arrange, trouble, gateways):
    cluster = arrange("cluster", VALKEY, "node_timeout=4000")
    with trouble(gateways, cluster.url) as it:
        it.apart = callers_on(cluster, 1)
        slot = cluster.ask("slot", cluster.command("KEYS", "*", server=1).splitlines()[0])
        assert cluster.ask("owner", slot) == "1"
        cluster.catch_up(replica=4, primary=1)
        cluster.kill(1)
        assert cluster.ask("owner", slot) == "4"


@one_and_three
@pytest.mark.parametrize("outage", ["local", "deny"])
def test_one_of_two_memcached_that_is_silent(arrange, trouble, gateways, outage):
    servers = [arrange("memcached") for _ in range(2)]
    hosts = [f"127.0.0.1:{server.ask('port')}" for server in servers]
    with trouble(gateways, "memcached://" + ",".join(hosts), outage) as it:
        it.apart = callers_in(servers[1])
        servers[1].ask("pause")
        it.lasts(4)
        servers[1].ask("resume")


def callers_in(memcached):
    """The callers whose accounts are in this server: some, and not all."""
    with socket.create_connection(("127.0.0.1", int(memcached.ask("port")))) as connection:
        connection.sendall(b"lru_crawler metadump all\r\n")
        dump = b""
        while not dump.endswith(b"END\r\n"):
            dump += connection.recv(65536)
    callers = set(re.findall(r"caller-\d+", dump.decode()))
    assert 5 <= len(callers) <= 55
    return callers


@one_and_three
def test_a_redis_that_stalls_again_and_again(arrange, trouble, gateways):
    redis = arrange("redis")
    with trouble(gateways, redis.url, timeout="50ms", callers=15) as it:
        it.apart = set(it.crowd.callers)
        for _ in range(8):
            redis.pause()
            it.lasts(0.15)
            redis.resume()
            it.lasts(0.5)


def test_a_network_that_fails_and_comes_back_again_and_again(arrange, trouble):
    redis = arrange("redis")
    proxy = arrange("proxy", redis.port())
    with trouble(2, proxy.url, callers=15) as it:
        it.apart = set(it.crowd.callers)
        for _ in range(3):
            proxy.ask("refuse")
            until(lambda: not any(gateway.store_is_up() for gateway in it.gateways), "the outage is noticed")
            it.crowd.asks_on(200)
            proxy.ask("pass")
            until(lambda: all(gateway.store_is_up() for gateway in it.gateways), "the store is up for all")
