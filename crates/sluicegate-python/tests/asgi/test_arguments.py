"""Arguments of a `RateLimit`: quotas, keys, costs, tiers and exemptions, as texts and as callables; and nonsense."""

import asyncio

import pytest
from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse

from sluicegate import Limiter, PolicyError, Quota
from sluicegate._native import exposition
from sluicegate.fastapi import Pass, RateLimit, RateLimitExceeded

TIERS = {"tiers": {"free": {}, "premium": {"scale": 5}}, "identity": {"tier": "header:x-tier", "default_tier": "free"}}


def in_turn(answer):
    """The callable, and the same as a coroutine function that lets others go first."""

    async def waiting(request):
        await asyncio.sleep(0)
        return answer(request)

    return [answer, waiting]


both = pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])


@pytest.fixture
def limited(limiter):
    """An app with one limited route: `limited("1/minute", key=…)`."""

    def limited(*quotas, limiter=limiter, **settings):
        app = FastAPI()

        @app.api_route("/", methods=["GET", "POST"])
        async def root(permit: Pass | None = Depends(RateLimit(*quotas, limiter=limiter, **settings))):
            return [balance.remaining for balance in permit.balances] if permit else "exempt"

        return app

    return limited


# --- keys ---


@pytest.mark.parametrize(
    "key, requests",
    [
        ("header:x-name", [{"headers": {"x-name": "a"}}, {"headers": {"x-name": "b"}}]),
        ("query:name", [{"params": {"name": "a"}}, {"params": {"name": "b"}}]),
        ("cookie:name", [{"headers": {"cookie": "name=a"}}, {"headers": {"cookie": "name=b"}}]),
        ("method", [{"method": "GET"}, {"method": "POST"}]),
        ("body:/user", [{"method": "POST", "json": {"user": "a"}}, {"method": "POST", "json": {"user": "b"}}]),
        (["client_ip", "query:name"], [{"params": {"name": "a"}}, {"params": {"name": "b"}}]),
    ],
    ids=str,
)
def test_a_key_tells_callers_apart(limited, ask, key, requests):
    client = ask(limited("1/minute", key=key))
    answers = [client.request(**{"method": "GET", "url": "/", **request}).status_code for request in requests * 2]
    assert answers == [200, 200, 429, 429]


def test_a_global_key_is_one_account_of_all(limited, ask):
    app = limited("1/minute", key="global")
    assert [ask(app, address).get("/").status_code for address in ("203.0.113.1", "203.0.113.2")] == [200, 429]


@both
def test_a_callable_gives_the_key(limited, ask, kind):
    client = ask(limited("1/minute", key=in_turn(lambda request: request.query_params["user"])[kind]))
    assert [client.get("/", params={"user": user}).status_code for user in "abab"] == [200, 200, 429, 429]


@both
@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_key_is_the_clients_address_and_no_account_of_all(limited, ask, kind, nothing):
    app = limited("1/minute", key=in_turn(lambda request: nothing)[kind])
    addresses = ["203.0.113.1", "203.0.113.2", "203.0.113.1"]
    assert [ask(app, address).get("/").status_code for address in addresses] == [200, 200, 429]


def test_a_header_that_is_left_out_escapes_no_limit(limited, statuses):
    assert statuses(limited("1/minute", key="header:x-name"), "/", "/") == [200, 429]


def test_a_key_that_is_no_text_counts_as_one(limited, ask):
    client = ask(limited("1/minute", key=lambda request: int(request.query_params["user"])))
    assert [client.get("/", params={"user": user}).status_code for user in (7, 8, 7)] == [200, 200, 429]


# --- quotas ---


def test_several_quotas_are_taken_all_or_none(limited, statuses, clock):
    app = limited("1/second; 3/hour")
    assert statuses(app, "/", "/") == [200, 429]
    clock.advance(1)
    assert statuses(app, "/", "/") == [200, 429], "the denied request took none of the three"
    clock.advance(1)
    assert statuses(app, "/") == [200]
    clock.advance(1)
    assert statuses(app, "/") == [429]


@pytest.mark.parametrize(
    "quotas",
    [("2/minute",), (Quota.of(2, 60),), ("2/minute", "100/hour"), (["2/minute", Quota.of(100, 3600)],), ("2/minute;100/hour",)],
    ids=str,
)
def test_quotas_are_written_in_many_ways(limited, statuses, quotas):
    assert statuses(limited(*quotas), "/", "/", "/") == [200, 200, 429]


@both
@pytest.mark.parametrize("given", ["{}/minute", lambda amount: Quota.of(int(amount), 60), lambda amount: [f"{amount}/minute", "100/hour"]])
def test_a_callable_gives_the_quotas(limited, ask, kind, given):
    give = given.format if isinstance(given, str) else given
    quotas = in_turn(lambda request: give(request.headers["x-amount"]))[kind]
    client = ask(limited(quotas, key="header:x-amount"))
    codes = {amount: [client.get("/", headers={"x-amount": amount}).status_code for _ in range(4)] for amount in "13"}
    assert codes == {"1": [200, 429, 429, 429], "3": [200, 200, 200, 429]}


def test_who_gets_another_quota_has_the_same_account(limited, ask, limiter):
    client = ask(limited(lambda request: request.headers["x-quota"], algorithm="fixed-window"))
    ask_for = lambda quota: client.get("/", headers={"x-quota": quota}).status_code
    assert [ask_for("4/minute") for _ in range(4)] == [200] * 4
    assert [ask_for(quota) for quota in ("4/minute", "5/minute", "3/minute")] == [429, 200, 429], "one of five was left"


def test_quotas_without_number_are_counted_as_one_limit(limited, ask):
    client = ask(limited(lambda request: f"{request.query_params['n']}/hour", name="without-number"))
    assert {client.get("/", params={"n": n}).status_code for n in range(1_000, 1_300)} == {200}
    _, text = exposition("text/plain")
    decided = [line for line in text.splitlines() if 'limit="without-number' in line and "decisions_total" in line]
    assert sorted(line.rsplit("}", 1)[1].strip() for line in decided) == ["0", "300"]


def test_a_callable_may_give_quotas_that_count_tokens(limited, statuses):
    assert statuses(limited(lambda request: "10 tokens/minute", cost=4), "/", "/", "/") == [200, 200, 429]


def test_an_algorithm_is_chosen_beside_the_quotas(limited, statuses, clock):
    app = limited("2/minute", algorithm="fixed-window")
    assert statuses(app, "/", "/", "/") == [200, 200, 429]
    clock.advance(59)
    assert statuses(app, "/") == [429]
    clock.advance(1)
    assert statuses(app, "/", "/", "/") == [200, 200, 429]


# --- costs ---


def test_a_number_is_what_each_request_costs(limited, statuses):
    assert statuses(limited("10/minute", cost=5), "/", "/", "/") == [200, 200, 429]


@both
def test_a_callable_gives_the_cost(limited, ask, kind):
    client = ask(limited("100 tokens/minute", cost=in_turn(lambda request: int(request.query_params["n"]))[kind]))
    assert [client.get("/", params={"n": n}).json() for n in (60, 0, 40)] == [[40], [40], [0]]
    assert client.get("/", params={"n": 1}).status_code == 429


@pytest.mark.parametrize("cost", [-1, -10**30, 10**30, 1.5, "7", None, float("nan")])
@pytest.mark.parametrize("unit", ["", " tokens"])
def test_a_cost_of_a_callable_that_makes_no_sense_is_an_error_and_never_unlimited(limited, ask, limiter, unit, cost):
    client = ask(limited(f"1{unit}/minute", cost=lambda request: cost), raise_server_exceptions=False)
    codes = [client.get("/").status_code for _ in range(3)]
    # Without a cost, a request is one request, and no number of anything else.
    assert codes == ([200, 429, 429] if cost is None and not unit else [503] * 3)


def test_dollars_are_charged_as_written(limited, ask):
    client = ask(limited("1 usd/day", cost=lambda request: float(request.query_params["usd"])))
    assert client.get("/", params={"usd": "0.3"}).json() == [0.7]
    assert client.get("/", params={"usd": "0.71"}).status_code == 429


def test_requests_are_counted_beside_what_costs(limited, ask):
    client = ask(limited("3/minute", "100 items/minute", cost=lambda request: 10))
    assert client.get("/").json() == [2, 90]


# --- exemptions ---


@both
def test_whoever_is_exempt_is_not_limited_and_not_counted(limited, ask, kind):
    client = ask(limited("1/minute", exempt=in_turn(lambda request: "x-staff" in request.headers)[kind]))
    staff = [client.get("/", headers={"x-staff": "yes"}) for _ in range(3)]
    assert [answer.json() for answer in staff] == ["exempt"] * 3
    assert not [name for name in staff[0].headers if "ratelimit" in name]
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]


# --- tiers ---


@pytest.fixture
def sold(clock):
    """A limiter that knows tiers, by a header that anybody may send here."""
    return Limiter(policy={**TIERS, "gateway": {"trusted_proxies": ["203.0.113.0/24"]}}, clock=clock)


def test_a_tier_scales_the_limits(limited, ask, sold):
    client = ask(limited("1/minute", key="header:x-tier", limiter=sold))
    premium = [client.get("/", headers={"x-tier": "premium"}).status_code for _ in range(6)]
    assert premium == [200] * 5 + [429]
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]


def test_other_tiers_than_the_one_required_are_refused(limited, ask, sold, clock):
    client = ask(limited("1/minute", require_tier="premium", limiter=sold))
    refused = client.get("/")
    assert refused.status_code == 403
    assert refused.json()["detail"] == "Premium access required"
    assert refused.json()["error"]["code"] == "tier_required"
    assert client.get("/", headers={"x-tier": "premium"}).status_code == 200


def test_a_limit_says_itself_what_each_tier_gets(limited, ask):
    app = limited("2/minute", tier="header:x-tier", tiers={"free": 1, "pro": 2, "max": "5/minute"}, key=["client_ip", "header:x-tier"])
    client = ask(app)

    def passed(**headers):
        return [client.get("/", headers=headers).status_code for _ in range(8)].count(200)

    assert passed() == 2
    assert passed(**{"x-tier": "pro"}) == 4
    assert passed(**{"x-tier": "max"}) == 5


@both
def test_a_callable_gives_the_tier(limited, ask, kind):
    tier = in_turn(lambda request: request.query_params.get("tier"))[kind]
    app = limited("1/minute", tier=tier, tiers={"free": 1, "pro": 3}, key=["client_ip", "query:tier"])
    client = ask(app)
    assert [client.get("/", params={"tier": "pro"}).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]
    assert [client.get("/", params={"tier": "unheard-of"}).status_code for _ in range(2)] == [200, 429], "the first tier"


# --- nonsense ---


@pytest.mark.parametrize(
    "quotas, settings, said",
    [
        (["10/minuet"], {}, "minuet"),
        ([""], {}, "amount"),
        ([], {}, "needs a quota"),
        ([[]], {}, "needs a quota"),
        (["5/second; x"], {}, "x"),
        (["1/minute"], {"key": "client-ip"}, "client"),
        (["1/minute"], {"key": ""}, "key"),
        (["1/minute"], {"key": ["client_ip", "header:"]}, "header"),
        (["1/minute"], {"key": "body:/a~2"}, "~"),
        (["1 items/minute"], {"cost": "inputs"}, "inputs"),
        (["1 items/minute"], {"cost": "/a~2"}, "~"),
        (["1/minute"], {"tier": "x-tier"}, "tier"),
        (["1/minute"], {"require_tier": "premium"}, "premium"),
        (["1/minute"], {"tiers": {"free": 1, "pro": "10/minuet"}, "tier": "header:x-tier"}, "minuet"),
        (["1/minute"], {"tiers": {"free": 0}, "tier": "header:x-tier"}, "scale"),
        (["1/minute"], {"algorithm": "leaky"}, "sliding-window"),
        (["500/minute"], {"algorithm": "sliding-log"}, "128"),
        (["1/minute"], {"mode": "dark"}, "shadow"),
        (["1/minute"], {"outage": "maybe"}, "local"),
        (["1/minute"], {"name": "not a name"}, "name"),
    ],
)
def test_nonsense_is_an_error_where_it_is_written(quotas, settings, said):
    with pytest.raises(PolicyError) as error:
        RateLimit(*quotas, **settings)
    assert said in str(error.value)


@pytest.mark.parametrize("cost", [-1, -0.5])
def test_a_negative_cost_is_an_error_where_it_is_written(cost):
    with pytest.raises(ValueError, match=f"0 or more, not {cost}"):
        RateLimit("1 usd/minute", cost=cost)


@pytest.mark.parametrize("quotas", [(5,), (None,), ([5],)])
def test_a_quota_of_another_type_is_an_error_where_it_is_written(quotas):
    with pytest.raises(TypeError):
        RateLimit(*quotas)


def test_a_callable_that_fails_fails_the_request_and_lets_nobody_pass(limited, ask):
    def broken(request):
        raise KeyError("mine")

    for settings in ({"key": broken}, {"cost": broken}, {"tier": broken}, {"exempt": broken}):
        client = ask(limited("1/minute", **settings), raise_server_exceptions=False)
        assert client.get("/").status_code == 500


def test_a_handler_of_ones_own_answers_instead(limiter, ask):
    app = FastAPI()

    @app.exception_handler(RateLimitExceeded)
    async def slow_down(request: Request, exceeded: RateLimitExceeded):
        told = {"wait": exceeded.retry_after, "route": exceeded.answer.route, "limit": exceeded.answer.limit}
        return JSONResponse(told, 429, headers=exceeded.headers)

    @app.get("/x/{item}", dependencies=[Depends(RateLimit("1/minute", limiter=limiter, name="mine"))])
    async def x(item):
        return {}

    client = ask(app)
    assert client.get("/x/1").status_code == 200
    answer = client.get("/x/2")
    assert (answer.status_code, answer.json()) == (429, {"wait": 60.0, "route": "/x/{item}", "limit": "mine"})
    assert answer.headers["retry-after"] == "60"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get_list("content-length") == [str(len(answer.content))]
    assert answer.headers["cache-control"] == "no-store"


def test_shadow_mode_denies_nobody_and_says_nothing(limited, ask):
    client = ask(limited("1/minute", mode="shadow"))
    answers = [client.get("/") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert not [name for name in answers[0].headers if "ratelimit" in name]
