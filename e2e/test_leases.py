"""Slots of concurrent limits that many gateways share: they come back from a crash, and never from a stream that lives."""

import time
from contextlib import ExitStack, contextmanager

import pytest

from server import until

LEASED = """
[store]
url = "{url}"
timeout = "1s"
lease = "{lease}s"

[[route]]
path = "/stream"
limits = [{{ name = "streams", quota = "{slots} concurrent", key = "global" }}]
"""
LEASE = 3


@pytest.fixture
def redis(arrange):
    return arrange("redis")


@pytest.fixture
def gateways(start, redis):
    """Two gateways with as many slots as are given."""

    def gateways(slots):
        policy = LEASED.format(url=redis.url, lease=LEASE, slots=slots)
        return start(policy), start(policy)

    return gateways


@contextmanager
def streams(gateway):
    """Begins streams until one is denied, and holds them."""
    with ExitStack() as held, gateway.client() as client:
        answers = []
        while (answer := held.enter_context(client.stream("GET", "/stream"))).status_code == 200:
            answers.append(answer)
        assert answer.status_code == 429
        yield answers


def test_the_slots_of_a_gateway_that_is_killed_come_back_within_the_lease(gateways):
    killed, other = gateways(slots=100)
    with streams(killed) as held:
        assert len(held) == 100
        with streams(other) as none:
            assert none == []
        killed.kill()
        died = time.monotonic()

        passed = until(lambda: begins(other), "a stream begins")
        seconds = time.monotonic() - died
    # They were renewed a third of a lease before at most.
    assert LEASE / 2 <= seconds <= LEASE + 1
    until(lambda: room(other) == 100, "all slots are there")
    assert time.monotonic() - died <= LEASE + 2


def test_a_stream_that_is_longer_than_the_lease_keeps_its_slot(gateways, model):
    streaming, other = gateways(slots=1)
    with streaming.client() as client, client.stream("GET", "/stream") as answer:
        lines = (line for line in answer.iter_lines() if line)
        assert next(lines) == 'data: {"number": 0}'
        begun = time.monotonic()
        until(lambda: begins(other) or time.monotonic() > begun + 2.5 * LEASE, "two leases and more are over")
        assert time.monotonic() > begun + 2.5 * LEASE
        for number in (1, 2):
            model.next_event()
            assert next(lines) == f'data: {{"number": {number}}}'
        assert list(lines) == []
    until(lambda: begins(other), "the slot is free again")


def test_a_stream_that_redis_has_forgotten_claims_its_slot_again(gateways, redis):
    streaming, other = gateways(slots=1)
    with streaming.client() as client, client.stream("GET", "/stream") as answer:
        assert answer.status_code == 200
        redis.command("FLUSHALL")
        # Beside it there is the mark of the time.
        until(lambda: ":c" in redis.command("KEYS", "*:c"), "the lease is renewed")
        assert not begins(other)


def begins(gateway):
    """Returns `True` if a stream begins. It is left at once."""
    with gateway.client() as client, client.stream("GET", "/stream") as answer:
        return answer.status_code == 200


def room(gateway):
    """The number of streams that begin."""
    with streams(gateway) as held:
        return len(held)
