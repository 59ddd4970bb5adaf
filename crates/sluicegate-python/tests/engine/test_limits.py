"""`Limiter.limits`: limits made once, taken together for the callers of each request."""

import asyncio

import pytest

from sluicegate import Charge, Limiter, Limits, PolicyError, Quota, StoreError


@pytest.fixture(params=["sync", "async"])
def take(request):
    """Takes limits as `take` and as `take_async`."""

    def spend(limits, *callers, **costs):
        if request.param == "sync":
            return limits.take(*callers, **costs)

        async def spend():
            return await limits.take_async(*callers, **costs)

        return asyncio.run(spend())

    return spend


def remaining(decision):
    return [balance.remaining for balance in decision.balances]


def test_each_limit_is_taken_from_the_account_of_its_own_caller(limiter, take):
    limits = limiter.limits(user="2/hour", tenant="3/hour", tool="9/hour")

    assert remaining(take(limits, "alice", "acme", "search")) == [1, 2, 8]
    assert remaining(take(limits, "bob", "acme", "search")) == [1, 1, 7]


def test_one_caller_has_an_account_under_every_limit(limiter, take):
    limits = limiter.limits(rpm="5/hour", daily="9/day")

    assert remaining(take(limits, "alice")) == [4, 8]
    assert remaining(take(limits, "bob")) == [4, 8]


def test_limits_are_taken_all_or_none(limiter, take):
    limits = limiter.limits(user="1/hour", tenant="3/hour")
    assert take(limits, "alice", "acme")

    denial = take(limits, "alice", "acme")

    assert not denial
    assert limits.names[denial.charge] == "user"
    assert 3590 < denial.retry_after <= 3600
    assert take(limits, "bob", "acme").balances[1].remaining == 1, "the denied take charged nothing"


def test_costs_are_given_by_the_names_of_limits(limiter, take):
    limits = limiter.limits(rpm="5/hour", tpm="1000 tokens/hour")

    assert remaining(take(limits, "alice", tpm=300)) == [4, 700]
    assert remaining(take(limits, "alice", rpm=2, tpm=100)) == [2, 600]


def test_dollars_of_a_limit_are_exact(limiter, take):
    spend = limiter.limits(spend="20 usd/year")
    for cost in (0.1, 0.2, 1):
        permit = take(spend, "alice", spend=cost)

    assert permit.balances[0].remaining == pytest.approx(18.7, abs=1e-6)


def test_the_actual_costs_are_settled_in_the_order_of_the_limits(limiter, take):
    limits = limiter.limits(rpm="5/hour", tpm="1000 tokens/hour")

    take(limits, "alice", tpm=300).settle(1, 120)

    requests, tokens = limiter.peek(limits.charges("alice"))
    assert (requests.remaining, tokens.remaining) == (4, 880)


def test_slots_are_held_until_the_permit_is_released(limiter, take):
    limits = limiter.limits(rpm="5/hour", slots="1 concurrent")
    with take(limits, "alice"):
        assert not take(limits, "alice")

    assert take(limits, "alice")


def test_charges_name_the_accounts_that_a_take_spends(limiter, take):
    limits = limiter.limits(user="2/hour", tenant="3/hour")
    take(limits, "alice", "acme")

    charges = limits.charges("alice", "acme")
    limiter.reset(charges[0])

    assert [balance.remaining for balance in limiter.peek(charges)] == [2, 2]
    assert limiter.take([*charges, Charge("elsewhere", "1/hour")])


def test_limits_of_one_name_share_their_accounts(limiter, take):
    take(limiter.limits(user="2/hour"), "alice")

    assert remaining(take(limiter.limits(user="2/hour", other="2/hour"), "alice")) == [0, 1]


def test_the_parts_of_a_name_and_a_caller_are_never_confused(limiter, take):
    names = limiter.limits(**{"a": "2/hour", "a|b": "2/hour"})

    assert remaining(take(names, "b|c", "c")) == [1, 1]


def test_more_limits_than_most_requests_have_are_taken_together(limiter, take):
    limits = limiter.limits(**{f"limit{place}": f"{place + 1}/hour" for place in range(20)})

    assert remaining(take(limits, "alice")) == list(range(20))
    assert not take(limits, "alice")


def test_a_limit_has_a_quota_as_text_or_as_a_value():
    limits = Limiter().limits(text="2/hour", value=Quota("5 tokens/hour"))

    assert isinstance(limits, Limits)
    assert limits.names == ("text", "value")
    assert repr(limits) == "<Limits text: 2/hour, value: 5 tokens/hour>"


def test_limits_follow_the_clock_of_their_limiter(moved, clock):
    limits = moved.limits(user="1/hour")
    assert limits.take("alice") and not limits.take("alice")

    clock.advance(3600)

    assert limits.take("alice")


@pytest.mark.parametrize("callers", [(), ("alice", "acme")], ids=["none", "two"])
def test_another_number_of_callers_is_refused(callers, take):
    limits = Limiter().limits(user="2/hour", tenant="3/hour", tool="9/hour")

    with pytest.raises(TypeError, match=rf"^{len(callers)} callers for 3 limits \(user, tenant, tool\)"):
        take(limits, *callers)
    with pytest.raises(TypeError, match=r"^2 callers for one limit \(user\)$"):
        take(Limiter().limits(user="2/hour"), "alice", "acme")


def test_a_caller_is_a_text(take):
    with pytest.raises(TypeError, match="^a caller is a str, not <class 'int'>$"):
        take(Limiter().limits(user="2/hour"), 7)


def test_a_cost_for_a_name_that_no_limit_has_is_refused_and_nothing_is_charged(take):
    limiter = Limiter()
    limits = limiter.limits(rpm="5/hour", tpm="1000 tokens/hour")

    with pytest.raises(TypeError, match=r'^a cost for "tmp", which is none of these limits: rpm, tpm$'):
        take(limits, "alice", tpm=300, tmp=5)

    assert limiter.peek(limits.charges("alice"))[0].remaining == 5


def test_a_limit_that_needs_a_cost_says_how_to_give_it(take):
    limits = Limiter().limits(tpm="1000 tokens/hour")

    with pytest.raises(TypeError, match=r"^the limit tpm of `1000 tokens/hour` needs a cost: .* take\(CALLER, tpm=300\)$"):
        take(limits, "alice")
    with pytest.raises(TypeError, match="needs a cost"):
        Limiter().take(limits.charges("alice"))


@pytest.mark.parametrize("cost", [-1, 2**64])
def test_a_cost_that_no_account_can_hold_is_refused(cost, take):
    with pytest.raises(ValueError, match="a cost is a number of requests, 0 or more"):
        take(Limiter().limits(user="2/hour"), "alice", user=cost)


def test_invalid_limits_are_refused_when_they_are_made():
    with pytest.raises(PolicyError, match="limits need a quota each"):
        Limiter().limits()
    with pytest.raises(PolicyError):
        Limiter().limits(user="2/fortnight")
    with pytest.raises(PolicyError):
        Limiter().limits(user="2/hour", outage="never")


def test_an_outage_mode_is_that_of_every_limit():
    unreachable = "redis://127.0.0.1:1"
    limiter = Limiter(unreachable, {"store": {"timeout": "20ms"}})

    assert limiter.limits(user="2/hour", outage="allow").take("alice")
    with pytest.raises(StoreError):
        limiter.limits(user="2/hour", outage="deny").take("alice")
