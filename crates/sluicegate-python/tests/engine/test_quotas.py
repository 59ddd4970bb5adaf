"""`Quota`: what texts mean, and what is told about those that mean nothing."""

import pytest

from sluicegate import PolicyError, Quota


@pytest.mark.parametrize(
    "text, amount, window, unit, burst",
    [
        ("10/minute", 10, 60, "requests", 10),
        ("10 per 5 minutes", 10, 300, "requests", 10),
        ("100 items per 5 minutes burst 20", 100, 300, "items", 20),
        ("5 tokens/2 seconds", 5, 2, "tokens", 5),
        ("8 concurrent", 8, 0, "concurrent", 8),
        ("20 usd/day", 20_000_000_000, 86400, "usd", 20_000_000_000),
        ("1/month", 1, 30 * 86400, "requests", 1),
    ],
)
def test_a_text_says_amount_unit_window_and_burst(text, amount, window, unit, burst):
    quota = Quota.parse(text)

    assert (quota.amount, quota.window, quota.unit, quota.burst) == (amount, window, unit, burst)


def test_a_quota_is_a_value():
    assert Quota.parse("10/minute") == Quota.parse("10 per 1 minute") == Quota.of(10, 60)
    assert Quota.parse("10/minute") != Quota.parse("10/hour")
    assert Quota.parse("10/minute") != Quota.parse("10/minute", algorithm="fixed-window")
    assert len({Quota.parse("10/minute"), Quota.of(10, 60), Quota.of(10, 60, unit="items")}) == 2


def test_a_quota_says_itself_as_it_is_read():
    for text in ["10/minute", "100 items/5 minutes burst 20", "8 concurrent"]:
        assert Quota.parse(str(Quota.parse(text))) == Quota.parse(text)


def test_an_algorithm_is_named_beside_the_text():
    assert Quota.parse("10/minute").algorithm == "token-bucket"
    for algorithm in ["fixed-window", "sliding-window", "sliding-log", "token-bucket"]:
        assert Quota.parse("10/minute", algorithm=algorithm).algorithm == algorithm
    assert Quota.parse("8 concurrent", algorithm="fixed-window").algorithm == "concurrent"


def test_a_list_has_one_quota_or_several():
    assert Quota.parse_list("5/second") == [Quota.of(5, 1)]
    assert Quota.parse_list("5/second; 100/hour") == [Quota.of(5, 1), Quota.of(100, 3600)]
    kinds = [quota.algorithm for quota in Quota.parse_list("5/second;100/hour", algorithm="fixed-window")]
    assert kinds == ["fixed-window", "fixed-window"]


def test_a_window_can_be_of_a_length_that_no_text_names():
    quota = Quota.of(5, 0.5, unit="tokens")

    assert (quota.amount, quota.window, quota.unit) == (5, 0.5, "tokens")


@pytest.mark.parametrize(
    "text, said",
    [
        ("10/minuet", "minuet"),
        ("", "amount"),
        ("ten/minute", "ten"),
        ("-1/minute", "-1"),
        ("10", "/"),
        ("10 apples/minute", "unknown unit"),
        ("5/second; 100/hour", ";"),
        ("10/minute burst", "burst"),
        ("99999999999999999999/minute", "too large"),
    ],
)
def test_a_text_that_is_no_quota_is_told_what_is_wrong(text, said):
    with pytest.raises(PolicyError) as error:
        Quota.parse(text)
    assert said in str(error.value)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("window", [-1, 0, float("nan"), float("inf"), 1e300])
def test_a_window_of_no_length_is_refused(window):
    with pytest.raises(PolicyError, match="window"):
        Quota.of(1, window)


def test_unknown_units_and_algorithms_are_answered_with_those_that_exist():
    with pytest.raises(PolicyError, match="output_tokens"):
        Quota.of(1, 1, unit="apples")
    with pytest.raises(PolicyError, match="sliding-window"):
        Quota.parse("1/minute", algorithm="leaky")
    with pytest.raises(PolicyError, match="128"):
        Quota.parse("500/minute", algorithm="sliding-log")


def test_what_is_no_text_is_a_type_error():
    with pytest.raises(TypeError):
        Quota.parse(10)


@pytest.mark.parametrize("text", ["10/minute", "100 items per 5 minutes burst 20", "8 concurrent", "20 usd/day"])
def test_a_quota_is_constructed_from_text(text):
    assert Quota(text) == Quota.parse(text)
    assert Quota(Quota(text)) == Quota(text)


def test_a_quota_is_constructed_with_an_algorithm():
    fixed = Quota("10/minute", algorithm="fixed-window")
    assert fixed == Quota.parse("10/minute", algorithm="fixed-window")
    assert Quota(fixed).algorithm == "fixed-window"
    assert Quota(Quota("10/minute"), algorithm="fixed-window") == fixed
    assert Quota("8 concurrent", algorithm="fixed-window").algorithm == "concurrent"


def test_what_constructs_no_quota_is_told():
    with pytest.raises(PolicyError, match="fortnight"):
        Quota("10 per fortnight")
    with pytest.raises(PolicyError, match="unknown algorithm"):
        Quota("1/minute", algorithm="leaky")
    with pytest.raises(TypeError, match="a quota is a str or a sluicegate.Quota, not"):
        Quota(10)
    with pytest.raises(TypeError):
        Quota()
