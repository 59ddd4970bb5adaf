"""`Permit`: whoever may pass, and the slots that are held meanwhile."""

import asyncio
import gc
import time

import pytest

QUOTA = "1 concurrent"


def until_free(limiter, key="alice"):
    """Takes the slot of `key` as soon as Redis has been told that it is free."""
    deadline = time.monotonic() + 10
    while not (permit := limiter.take(key, QUOTA)):
        assert time.monotonic() < deadline, "the slot came back"
    return permit


def test_a_block_holds_the_slots(limiter):
    with limiter.take("alice", QUOTA) as permit:
        assert permit.allowed is True
        assert not limiter.take("alice", QUOTA)
    assert until_free(limiter)


def test_a_block_that_raises_gives_them_back_and_hides_nothing(limiter):
    with pytest.raises(KeyError):
        with limiter.take("alice", QUOTA):
            raise KeyError("mine")
    assert until_free(limiter)


def test_an_async_block_holds_them_too(limiter):
    async def hold():
        async with await limiter.take_async("alice", QUOTA) as permit:
            assert permit.allowed
            assert not await limiter.take_async("alice", QUOTA)
        with pytest.raises(KeyError):
            async with until_free(limiter):
                raise KeyError("mine")
        return until_free(limiter)

    assert asyncio.run(hold())


def test_a_settlement_gives_them_back(limiter):
    limiter.take("alice", QUOTA).settle()
    assert until_free(limiter)


def test_a_permit_that_is_forgotten_gives_them_back(limiter):
    permit = limiter.take("alice", QUOTA)
    assert not limiter.take("alice", QUOTA)
    del permit
    gc.collect()
    assert until_free(limiter)


def test_a_release_keeps_what_was_charged(moved):
    permit = moved.take("alice", "100 tokens/hour", 80)
    permit.release()
    permit.settle(0)
    assert moved.peek("alice", "100 tokens/hour").remaining == 20


def test_a_denial_is_no_context(moved):
    moved.take("alice", "1/hour")
    with pytest.raises((TypeError, AttributeError)):
        with moved.take("alice", "1/hour"):
            pytest.fail("a denial was entered")


def test_a_permit_with_more_costs_than_charges_is_an_error_that_changes_nothing(moved):
    permit = moved.take("alice", "100 tokens/hour", 80)
    with pytest.raises(ValueError, match="2 costs for a permit of 1"):
        permit.settle(1, 2)
    with pytest.raises(ValueError, match="not -1"):
        permit.settle(-1)
    permit.settle(50)
    assert moved.peek("alice", "100 tokens/hour").remaining == 50


def test_a_permit_is_settled_by_a_number_that_runs_code(limiter):
    permit = limiter.take("alice", "10 tokens/hour", 8)

    class Used:
        def __index__(self):
            # Whoever asks this permit for anything meanwhile shall not wait for ever.
            repr(permit)
            permit.release()
            return 3

    permit.settle(Used())
    assert limiter.peek("alice", "10 tokens/hour").remaining == 2


@pytest.mark.parametrize("cost", ["5", b"5", [5], None.__class__, object()])
def test_what_is_no_number_is_no_cost_in_dollars(limiter, cost):
    with pytest.raises(TypeError, match="a cost in usd is a number"):
        limiter.take("alice", "10 usd/day", cost)
