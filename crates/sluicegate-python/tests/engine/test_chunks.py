"""Quotas in Redis that a process spends in chunks."""

from sluicegate import Limiter
from sluicegate._native import exposition

POLICY = {"store": {"outage": "deny", "timeout": "1s", "chunks": {}}}


def decided_by_chunks():
    _, text = exposition("text/plain")
    line = next(line for line in text.splitlines() if line.startswith("sluicegate_chunk_decisions_total"))
    return float(line.split()[-1])


def test_two_limiters_spend_all_of_a_quota_in_chunks_and_no_more(arrange):
    url = arrange("redis").url
    limiters = [Limiter(url, POLICY) for _ in range(2)]
    before = decided_by_chunks()
    passed = sum(bool(limiter.take("alice", "1000/day")) for _ in range(700) for limiter in limiters)
    assert 900 <= passed <= 1000
    assert decided_by_chunks() - before > 500
