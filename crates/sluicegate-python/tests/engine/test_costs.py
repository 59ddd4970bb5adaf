"""Charges without a cost: one of what counts requests, and an error for what counts anything else."""

import asyncio

import pytest

from sluicegate import Charge, Limiter, Quota

UNITS = ["items", "tokens", "input_tokens", "output_tokens", "bytes", "usd"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_take_of_another_unit_needs_a_cost(moved, unit):
    text = f"10 {unit}/minute"
    for charge in ([text], [Quota.parse(text)]):
        with pytest.raises(TypeError, match=f"on `10 {unit}/minute` needs a cost: give the number of {unit} .*Charge"):
            moved.take("alice", *charge)
    with pytest.raises(TypeError, match="needs a cost"):
        moved.take([Charge("alice", "5/minute"), Charge("alice", text)])
    with pytest.raises(TypeError, match="needs a cost"):
        asyncio.run(take_async(moved, "alice", text))

    assert moved.peek("alice", "5/minute").remaining == 5
    assert moved.peek("alice", text).remaining == 10
    assert moved.take("alice", text, 3).balances[0].remaining == 7


async def take_async(limiter, *charge):
    return await limiter.take_async(*charge)


def test_an_account_is_looked_at_and_forgotten_without_a_cost(moved):
    charge = Charge("alice", "10 tokens/minute")
    moved.take("alice", "10 tokens/minute", 4)

    assert moved.peek(charge).remaining == 6
    assert [balance.remaining for balance in moved.peek([charge])] == [6]
    moved.reset(charge)
    assert moved.peek("alice", "10 tokens/minute").remaining == 10


def test_a_charge_on_a_limit_of_the_policy_needs_a_cost_likewise():
    policy = {"limits": {"rpm": {"quota": "60/minute"}, "slots": {"quota": "2 concurrent"}, "tpm": {"quota": "10 bytes/minute"}}}
    limiter = Limiter(policy=policy)

    assert limiter.take([limiter.charge("rpm", "alice"), limiter.charge("slots", "alice")])
    with pytest.raises(TypeError, match="needs a cost"):
        limiter.take(limiter.charge("tpm", "alice"))
    assert limiter.peek(limiter.charge("tpm", "alice")).remaining == 10
    assert limiter.take(limiter.charge("tpm", "alice", 4)).balances[0].remaining == 6
    limiter.reset(limiter.charge("tpm", "alice"))
    assert limiter.peek(limiter.charge("tpm", "alice")).remaining == 10
