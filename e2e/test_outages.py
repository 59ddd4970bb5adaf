"""Outages of the store under load, seen by clients: no error, hardly more than the limits, and soon all is exact
again."""

import time
from contextlib import contextmanager

import pytest

from load import Load
from server import until

POLICY = """
[store]
url = "{url}"
timeout = "{timeout}"
replicas = 2
keys = "readable"

[[route]]
path = "/models/limited"
limits = [{{ name = "limited", quota = "60/minute", key = "global", outage = "local" }}]

[[route]]
path = "/models/open"
limits = [{{ name = "open", quota = "1000/hour", key = "header:x-client", outage = "allow" }}]

[[route]]
path = "/models/fresh"
limits = [{{ name = "fresh", quota = "20/hour", key = "global" }}]
"""
LIMITED, OPEN, FRESH = "/models/limited", "/models/open", "/models/fresh"
BURST, PER_SECOND = 60, 1
GATEWAYS = 2


class Trouble:
    """Two gateways under load, while something happens to their store."""

    def __init__(self, start, url, timeout):
        policy = POLICY.format(url=url, timeout=timeout)
        self.gateways = [start(policy) for _ in range(GATEWAYS)]
        self.load = Load(self.gateways, [LIMITED, OPEN])

    def outage_is_noticed(self):
        until(lambda: not any(gateway.store_is_up() for gateway in self.gateways), "the store is down for all")

    def has_ended(self):
        """Waits until the outage is over: within two seconds the store decides every request again."""
        ended = time.monotonic()
        well = until(self.well_since, "the store is asked and answers")
        assert well - ended < 2, f"it took {well - ended:.1f} s until the store was asked again"

    def well_since(self):
        """Since when, if it is: the store is up and does not fail while many requests are answered."""
        since, errors, asked = time.monotonic(), self.errors(), len(self.load.answers)
        up = all(gateway.store_is_up() for gateway in self.gateways)
        until(lambda: len(self.load.answers) > asked + 50, "the load goes on")
        return since if up and self.errors() == errors else None

    def errors(self):
        return sum(gateway.metric("sluicegate_store_errors_total") for gateway in self.gateways)

    def check(self, lost, now_and_then):
        """Ends the load. The store has forgotten what it kept `lost` times at most, and perhaps failed now and then."""
        self.load.stop()
        assert set(self.load.codes(LIMITED)) <= {200, 429}
        assert set(self.load.codes(OPEN)) == {200}
        passed = self.load.passed(LIMITED)
        seconds = max(answer.received for answer in passed) - passed[0].sent
        # What stands in for the store gives each gateway's share, anew in each outage, and earns as the store does.
        outages = sum(gateway.metric("sluicegate_store_outages_total") for gateway in self.gateways)
        shares = outages + (GATEWAYS if now_and_then else 0)
        local = shares * BURST / GATEWAYS + PER_SECOND * seconds if shares else 0
        bound = BURST * (1 + lost) + PER_SECOND * seconds + local
        assert BURST <= len(passed) <= bound

    def decided_locally(self):
        name = 'sluicegate_outage_decisions_total{outage="local"}'
        return sum(gateway.metric(name) for gateway in self.gateways)

    def balances_are_exact(self):
        """A limit that nobody has spent of gives what it says, over both gateways together."""
        with Load(self.gateways, [FRESH]) as load:
            until(lambda: len(load.answers) >= 100, "it was asked for often")
        assert load.codes(FRESH) == {200: 20, 429: len(load.answers) - 20}


@pytest.fixture
def trouble(start):
    """`with trouble(url) as it:` something happens to the store. Then everything is checked."""

    @contextmanager
    def trouble(url, timeout="250ms", lost=0, now_and_then=False):
        it = Trouble(start, url, timeout)
        with it.load:
            until(lambda: it.load.codes(LIMITED)[429], "the limit is spent")
            yield it
            it.check(lost, now_and_then)
        it.balances_are_exact()

    return trouble


def test_a_redis_that_is_killed_and_comes_back_empty(arrange, trouble):
    redis = arrange("redis")
    with trouble(redis.url, lost=1) as it:
        redis.kill()
        it.outage_is_noticed()
        redis.restart()
        it.has_ended()


def test_a_redis_that_hangs_for_three_seconds(arrange, trouble):
    redis = arrange("redis")
    with trouble(redis.url) as it:
        redis.pause()
        paused = time.monotonic()
        it.outage_is_noticed()
        until(lambda: time.monotonic() >= paused + 3, "three seconds are over")
        redis.resume()
        it.has_ended()


def test_a_network_that_takes_longer_than_a_decision_may(arrange, trouble):
    redis = arrange("redis")
    proxy = arrange("proxy", redis.port())
    with trouble(proxy.url) as it:
        proxy.ask("delay", 150, 150)
        it.outage_is_noticed()
        proxy.ask("delay", 0, 0)
        it.has_ended()


def test_a_network_that_is_slow_but_in_time(arrange, trouble):
    redis = arrange("redis")
    proxy = arrange("proxy", redis.port())
    with trouble(proxy.url, timeout="1s") as it:
        proxy.ask("delay", 25, 25)
        asked = len(it.load.answers)
        until(lambda: len(it.load.answers) > asked + 100, "the load goes on")
        assert it.decided_locally() == 0


def test_a_network_that_loses_everything(arrange, trouble):
    redis = arrange("redis")
    proxy = arrange("proxy", redis.port())
    with trouble(proxy.url) as it:
        proxy.ask("black_hole")
        it.outage_is_noticed()
        proxy.ask("pass")
        it.has_ended()


def test_connections_that_are_reset_again_and_again(arrange, trouble):
    redis = arrange("redis")
    proxy = arrange("proxy", redis.port())
    with trouble(proxy.url, now_and_then=True) as it:
        for _ in range(10):
            asked = len(it.load.answers)
            proxy.ask("reset")
            until(lambda: len(it.load.answers) > asked + 20, "the load goes on")
        it.has_ended()


def test_scripts_that_are_forgotten(arrange, trouble):
    redis = arrange("redis")
    with trouble(redis.url) as it:
        for _ in range(10):
            asked = len(it.load.answers)
            redis.command("SCRIPT", "FLUSH")
            until(lambda: len(it.load.answers) > asked + 20, "the load goes on")
        # Nobody but Redis has noticed.
        assert it.decided_locally() == 0


def test_accounts_that_are_flushed(arrange, trouble):
    redis = arrange("redis")
    with trouble(redis.url, lost=1) as it:
        redis.command("FLUSHALL")
        until(lambda: len(it.load.passed(LIMITED)) > 2 * BURST, "the limit is there once more")
        assert it.decided_locally() == 0


def test_a_redis_that_is_full(arrange, trouble):
    redis = arrange("redis")
    with trouble(redis.url) as it:
        redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis.command("CONFIG", "SET", "maxmemory", "1")
        it.outage_is_noticed()
        redis.command("CONFIG", "SET", "maxmemory", "0")
        it.has_ended()


def test_a_primary_that_is_a_replica_for_a_while(arrange, trouble):
    redis, other = arrange("redis"), arrange("redis")
    with trouble(redis.url, lost=1) as it:
        redis.command("REPLICAOF", "127.0.0.1", other.port())
        it.outage_is_noticed()
        redis.command("REPLICAOF", "NO", "ONE")
        it.has_ended()


def test_sentinels_that_replace_a_primary_that_is_killed(arrange, trouble):
    redis = arrange("sentinel")
    with trouble(redis.url, lost=1) as it:
        redis.kill(redis.ask("primary"))
        it.outage_is_noticed()
        redis.ask("primary")
        it.has_ended()


def test_sentinels_that_replace_a_primary_that_hangs(arrange, trouble):
    redis = arrange("sentinel")
    with trouble(redis.url, lost=1) as it:
        hung = redis.ask("primary")
        redis.pause(hung)
        it.outage_is_noticed()
        redis.ask("primary")
        it.has_ended()
        redis.resume(hung)


def test_a_cluster_that_replaces_a_primary_that_is_killed(arrange, trouble):
    redis = arrange("cluster")
    with trouble(redis.url, lost=1) as it:
        # Whichever has the account of the limit.
        holder = next(node for node in range(3) if redis.command("KEYS", "*limited*", server=node))
        slot = redis.ask("slot", redis.command("KEYS", "*limited*", server=holder).splitlines()[0])
        assert int(redis.ask("owner", slot)) == holder
        redis.kill(holder)
        redis.ask("owner", slot)
        it.has_ended()
