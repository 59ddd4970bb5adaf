"""Gateways that spend quotas in chunks: together they never pass more than the quota, and little less."""

import math

import pytest

from load import Load
from server import until

# So patient that a busy machine is no outage.
CHUNKS = """
[store]
url = "{url}"
timeout = "1s"
outage = "deny"
chunks = {{ share = 0.1 }}

[[route]]
path = "/models/limited"
limits = [{{ name = "limited", quota = "{quota}", key = "global", algorithm = "{algorithm}" }}]
"""
LIMITED = "/models/limited"
QUOTA = 2_000


@pytest.fixture
def redis(arrange):
    return arrange("redis")


def gateways(start, url, algorithm="token-bucket"):
    policy = CHUNKS.format(url=url, quota=f"{QUOTA}/hour", algorithm=algorithm)
    return [start(policy) for _ in range(3)]


def decided_by_chunks(gateways):
    return sum(gateway.metric("sluicegate_chunk_decisions_total") for gateway in gateways)


def most(load, algorithm="token-bucket"):
    """The quota, and what comes back of a bucket in the time of the load."""
    passed = load.passed(LIMITED)
    seconds = max(answer.received for answer in load.answers) - passed[0].sent
    return QUOTA + (math.floor(seconds * QUOTA / 3600) if algorithm == "token-bucket" else 0)


def all_are_denied(load):
    last = max((answer.sent for answer in load.passed(LIMITED)), default=math.inf)
    return sum(answer.sent > last + 0.5 for answer in list(load.answers)) >= 30


@pytest.mark.parametrize("algorithm", ["token-bucket", "fixed-window", "sliding-window"])
def test_three_gateways_pass_all_of_a_quota_and_no_more(start, redis, algorithm):
    hammered = gateways(start, redis.url, algorithm)
    with Load(hammered, [LIMITED], clients=2) as load:
        until(lambda: len(load.passed(LIMITED)) >= QUOTA * 0.9, "nine tenths are spent", timeout=60)
        until(lambda: all_are_denied(load), "all are denied", timeout=60)

    assert QUOTA * 0.9 <= len(load.passed(LIMITED)) <= most(load, algorithm)
    assert set(load.codes(LIMITED)) == {200, 429}
    assert decided_by_chunks(hammered) > QUOTA / 2


def test_what_a_killed_gateway_held_is_not_given_twice(start, redis):
    killed, *others = gateways(start, redis.url)
    with killed.client() as client:
        assert [client.get(LIMITED).status_code for _ in range(200)] == [200] * 200
        # At once: what is not used for a quarter of a second is given back.
        killed.kill()
    with Load(others, [LIMITED], clients=2) as load:
        until(lambda: all_are_denied(load), "all are denied", timeout=60)

    assert QUOTA * 0.9 <= 200 + len(load.passed(LIMITED)) <= most(load) + 1


def test_a_gateway_that_leaves_gives_its_chunks_back(start, redis):
    first, *_ = gateways(start, redis.url)
    with first.client() as client:
        assert [client.get(LIMITED).status_code for _ in range(50)] == [200] * 50
    assert decided_by_chunks([first]) > 0
    first.stop()
    with start(CHUNKS.format(url=redis.url, quota=f"{QUOTA}/hour", algorithm="token-bucket")).client() as client:
        limits = client.get(LIMITED).headers["ratelimit"]
    remaining = int(limits.partition("r=")[2].partition(";")[0])
    assert remaining >= QUOTA - 51


def test_chunks_outlast_a_store_that_is_gone_and_give_no_more(start, redis):
    hammered = gateways(start, redis.url)
    with Load(hammered, [LIMITED], clients=2) as load:
        until(lambda: len(load.passed(LIMITED)) >= QUOTA / 4, "some are spent", timeout=60)
        redis.pause()
        until(lambda: 503 in load.codes(LIMITED), "the chunks are spent or have ended", timeout=60)
        redis.resume()
        until(lambda: all_are_denied(load), "all are denied", timeout=60)

    assert len(load.passed(LIMITED)) <= most(load)
