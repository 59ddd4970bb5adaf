"""`take`, `peek`, `settle`, `reset` and `clear`, sync and async, in memory and in Redis."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from sluicegate import Charge, Limiter, Quota


class Waiting:
    """The sync calls as the async ones, so that a test is written once."""

    def __init__(self, limiter):
        self._limiter = limiter

    def __getattr__(self, name):
        async def call(*arguments):
            return getattr(self._limiter, name)(*arguments)

        return call


class Awaiting:
    """The async calls by the sync ones' names."""

    def __init__(self, limiter):
        self._limiter = limiter

    def __getattr__(self, name):
        return getattr(self._limiter, f"{name}_async")


@pytest.fixture(params=[Waiting, Awaiting], ids=["sync", "async"])
def run(request, limiter):
    """Runs a test's coroutine function with a limiter: `run(spend)`."""
    return lambda test: asyncio.run(test(request.param(limiter)))


def test_a_quota_is_taken_to_its_end_and_then_denied(run):
    async def spend(limiter):
        decisions = [await limiter.take("alice", "2/hour") for _ in range(3)]
        return decisions, await limiter.take("bob", "2/hour")

    (first, second, denial), other = run(spend)
    assert first and second and other
    assert [first.balances[0].remaining, second.balances[0].remaining] == [1, 0]
    assert not denial and denial.allowed is False
    assert denial.charge == 0
    assert 1790 < denial.retry_after <= 1800


def test_a_quota_is_given_as_a_value_or_as_a_text(run):
    async def spend(limiter):
        await limiter.take("alice", Quota.of(2, 3600))
        return await limiter.peek("alice", "2/hour")

    assert run(spend).remaining == 1


def test_several_charges_are_taken_all_or_none(run):
    async def spend(limiter):
        requests, tokens = Charge("alice", "3/hour"), Charge("alice/tokens", "100 tokens/hour", 60)
        first = await limiter.take([requests, tokens])
        denial = await limiter.take(charge for charge in (requests, tokens))
        return first, denial, await limiter.peek([requests, tokens])

    first, denial, (requests, tokens) = run(spend)
    assert [balance.remaining for balance in first.balances] == [2, 40]
    assert not denial and denial.charge == 1
    assert [balance.fits for balance in denial.balances] == [True, False]
    assert requests.remaining == 2, "the denied take charged nothing"
    assert 40 <= tokens.remaining <= 41


def test_a_peek_charges_nothing(run):
    async def look(limiter):
        for _ in range(5):
            balance = await limiter.peek("alice", "2/hour")
        alone = await limiter.peek(Charge("alice", "2/hour"))
        several = await limiter.peek([Charge("alice", "2/hour"), Charge("bob", "5/hour")])
        return balance, alone, several

    balance, alone, several = run(look)
    assert (balance.remaining, balance.reset_after, balance.fits) == (2, 0, True)
    assert alone.remaining == 2
    assert [one.remaining for one in several] == [2, 5]


def test_what_a_quota_never_holds_is_denied_for_good(run):
    async def spend(limiter):
        return await limiter.take("alice", "5/hour", 6)

    denial = run(spend)
    assert not denial
    assert denial.retry_after is None


def test_a_settlement_down_is_a_refund_and_up_a_debt(run):
    async def spend(limiter):
        permit = await limiter.take("down", "100 tokens/hour", 80)
        await limiter.settle(permit, 10)
        permit = await limiter.take("up", "100 tokens/hour", 80)
        await limiter.settle(permit, 200)
        return (
            await limiter.peek("down", "100 tokens/hour"),
            await limiter.peek("up", "100 tokens/hour"),
            await limiter.take("up", "100 tokens/hour", 1),
        )

    down, up, denial = run(spend)
    assert down.remaining == 90
    assert up.remaining == 0
    assert not denial
    assert 3600 < denial.retry_after <= 3600 + 36, "a debt of 100 and one more token"


def test_settling_twice_changes_nothing(run):
    async def spend(limiter):
        permit = await limiter.take("alice", "100 tokens/hour", 80)
        for actual in (10, 90, 0):
            await limiter.settle(permit, actual)
        return await limiter.peek("alice", "100 tokens/hour")

    assert run(spend).remaining == 90


def test_charges_without_an_actual_cost_keep_their_estimates(run):
    async def spend(limiter):
        bill = [Charge("a", "100 tokens/hour", 50), Charge("b", "100 items/hour", 50)]
        await limiter.settle(await limiter.take(bill), 20)
        return await limiter.peek(bill)

    assert [balance.remaining for balance in run(spend)] == [80, 50]


def test_a_reset_forgets_one_account_and_a_clear_all(run):
    async def spend(limiter):
        for key in ("alice", "bob", "carol"):
            await limiter.take(key, "2/hour", 2)
        await limiter.reset("alice", "2/hour")
        await limiter.reset([Charge("bob", "2/hour")])
        left = [(await limiter.peek(key, "2/hour")).remaining for key in ("alice", "bob", "carol")]
        await limiter.clear()
        return left, (await limiter.peek("carol", "2/hour")).remaining

    assert run(spend) == ([2, 2, 0], 2)


def test_slots_are_taken_and_given_back(run):
    async def spend(limiter):
        permit = await limiter.take("alice", "1 concurrent")
        denial = await limiter.take("alice", "1 concurrent")
        permit.release()
        return permit, denial, await limiter.take("alice", "1 concurrent")

    permit, denial, again = run(spend)
    assert permit and again
    assert not denial and denial.retry_after is None


def test_dollars_are_exact(run):
    async def spend(limiter):
        for cost in (0.1, Decimal("0.2"), 1):
            permit = await limiter.take("alice", "20 usd/year", cost)
        return permit.balances[0].remaining

    # As floats, 20 - 0.1 - 0.2 - 1 is 18.699999999999999.
    assert run(spend) == pytest.approx(18.7, abs=1e-6)


def test_part_of_a_nano_dollar_counts_as_a_whole_one(moved):
    assert moved.take("alice", "1 usd/day", Decimal("1E-10")).balances[0].remaining == 0.999999999


def test_a_check_passes_where_the_store_answers(run):
    async def check(limiter):
        return await limiter.check()

    assert run(check) is None


def test_concurrent_takes_admit_exactly_the_quota(limiter):
    async def crowd():
        return await asyncio.gather(*[limiter.take_async("alice", "20/hour") for _ in range(200)])

    assert sum(map(bool, asyncio.run(crowd()))) == 20


def test_threads_that_take_together_get_exactly_the_quota(limiter):
    with ThreadPoolExecutor(8) as threads:
        decisions = list(threads.map(lambda _: limiter.take("alice", "20/hour"), range(200)))

    assert sum(map(bool, decisions)) == 20


def test_limiters_on_one_redis_share_its_accounts(arrange):
    url = arrange("redis").url
    first, second = Limiter(url), Limiter(url)

    assert first.take("alice", "1/hour")
    assert not second.take("alice", "1/hour")


def test_limiters_in_memory_have_accounts_of_their_own():
    assert Limiter().take("alice", "1/hour")
    assert Limiter().take("alice", "1/hour")
