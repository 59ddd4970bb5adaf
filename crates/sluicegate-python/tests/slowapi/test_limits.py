"""Admissions of limits."""

import asyncio

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from sluicegate.slowapi import Limiter
from sluicegate.slowapi.errors import RateLimitExceeded
from sluicegate.compat.slowapi.item import parse_many
from sluicegate.slowapi.util import get_remote_address


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1/second", ["1 per 1 second"]),
        ("1 per second", ["1 per 1 second"]),
        ("1persecond", ["1 per 1 second"]),
        ("10/2minutes", ["10 per 2 minute"]),
        ("10 / 2 Hours", ["10 per 2 hour"]),
        ("5/days;10/hour", ["5 per 1 day", "10 per 1 hour"]),
        ("5/day,10/month|1/YEAR\n", ["5 per 1 day", "10 per 1 month", "1 per 1 year"]),
        ("1/0 second", ["1 per 1 second"]),
    ],
)
def test_limits_are_read_as_before(text, meant):
    assert [str(item) for item in parse_many(text)] == meant


@pytest.mark.parametrize("text", ["5/week", "5/s", "1.5/second", "-1/second", "5/day;", "; 5/day", "", "ten/day", None, 5, ["5/day"]])
def test_a_text_that_is_no_limit_is_an_error_where_it_stands(text):
    limiter = Limiter(get_remote_address)
    with pytest.raises(ValueError, match="limit"):
        limiter.limit(text)
    with pytest.raises(ValueError, match="limit"):
        limiter.shared_limit(text, scope="all")
    for setting in ("default_limits", "application_limits", "in_memory_fallback"):
        with pytest.raises(ValueError, match="limit"):
            Limiter(get_remote_address, **{setting: [text]})


def test_one_text_is_a_list_of_one(build, statuses):
    app, _ = build(default_limits="1/minute")
    app.add_api_route("/", lambda: {})
    assert statuses(app, "/", 2) == [200, 429]


def test_a_default_limit_that_is_written_twice_is_charged_once(build, statuses):
    app, _ = build(default_limits=["2/minute", "2/minute"])
    app.add_api_route("/", lambda: {})
    assert statuses(app, "/", 3) == [200, 200, 429]


@pytest.mark.parametrize("strategy", ["fixed-window", "moving-window", "sliding-window-counter"])
def test_what_is_denied_is_not_charged(build, strategy):
    app, limiter = build(strategy=strategy)

    @app.get("/")
    @limiter.limit("10/minute", cost=lambda request: int(request.headers["cost"]))
    def root(request: Request):
        return {}

    client = TestClient(app)
    costs = ["5", "6", "4", "1", "1"]
    assert [client.get("/", headers={"cost": cost}).status_code for cost in costs] == [200, 429, 200, 200, 429]


@pytest.mark.parametrize("text", ["1/second;100/minute", "100/minute;1/second"])
def test_of_several_limits_all_are_charged_or_none(build, statuses, text):
    app, limiter = build()

    @app.get("/")
    @limiter.limit(text)
    def root(request: Request):
        return {}

    (minute,) = (item for item in parse_many(text) if item.amount == 100)
    assert statuses(app, "/", 3) == [200, 429, 429]
    assert limiter.limiter.get_window_stats(minute, "203.0.113.7", "/").remaining == 99


def test_the_denial_names_the_limit_with_the_longest_wait(build):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("1/second;1/hour;1/minute")
    def root(request: Request):
        return {}

    client = TestClient(app)
    client.get("/")
    assert client.get("/").json() == {"error": "Rate limit exceeded: 1 per 1 hour"}


@pytest.mark.parametrize("strategy", ["fixed-window", "moving-window", "sliding-window-counter"])
@pytest.mark.parametrize("amount", [5, 128, 129, 1000])
def test_every_strategy_admits_the_amount(build, strategy, amount):
    limiter = Limiter(get_remote_address, strategy=strategy)
    (item,) = parse_many(f"{amount}/hour")
    assert sum(limiter.limiter.hit(item, "a", "b") for _ in range(amount + 10)) == amount


@pytest.mark.parametrize(
    ("strategy", "amount", "algorithm"),
    [
        ("fixed-window", 1000, "fixed-window"),
        ("moving-window", 128, "sliding-log"),
        ("moving-window", 129, "sliding-window"),
        ("sliding-window-counter", 5, "sliding-window"),
    ],
)
def test_a_strategy_is_an_algorithm_of_the_engine(strategy, amount, algorithm):
    limiter = Limiter(get_remote_address, strategy=strategy)
    (item,) = parse_many(f"{amount}/2hours")
    quota = limiter._storage.quota(item)
    assert (quota.algorithm, quota.amount, quota.window) == (algorithm, amount, 7200.0)


def test_a_strategy_that_there_is_not_is_an_error():
    with pytest.raises(ValueError, match="no strategy is called 'leaky': use fixed-window, moving-window"):
        Limiter(get_remote_address, strategy="leaky")


def test_a_cost_below_nothing_is_an_error(build):
    app, limiter = build()
    with pytest.raises(ValueError, match="a cost is 0 or more, not -1"):
        limiter.limit("5/minute", cost=-1)
    with pytest.raises(ValueError, match="a cost is 0 or more, not -1"):
        limiter.limit(lambda: "5/minute", cost=-1)

    @app.get("/")
    @limiter.limit("2/minute", cost=lambda request: -5)
    def root(request: Request):
        return {}

    with pytest.raises(ValueError, match="a cost is 0 or more, not -5"):
        TestClient(app).get("/")
    assert limiter._storage.get("LIMITER/testclient///2/1/minute") == 0


def test_costs_are_rounded_up_and_may_be_async(build, statuses):
    app, limiter = build()

    @app.get("/parts")
    @limiter.limit("5/minute", cost=lambda request: 1.5)
    def parts(request: Request):
        return {}

    async def two(request):
        await asyncio.sleep(0)
        return 2

    @app.get("/waits")
    @limiter.limit("5/minute", cost=two)
    async def waits(request: Request):
        return {}

    @app.get("/fixed")
    @limiter.limit("5/minute", cost=5)
    def fixed(request: Request):
        return {}

    assert statuses(app, "/parts", 3) == [200, 200, 429]
    assert statuses(app, "/waits", 3) == [200, 200, 429]
    assert statuses(app, "/fixed", 2) == [200, 429]


def test_exemptions_may_ask_the_request_and_may_be_async(build, statuses):
    async def internal(request):
        await asyncio.sleep(0)
        return request.headers.get("internal") == "yes"

    app, limiter = build()
    told = [lambda asked: asked.headers.get("internal") == "yes", lambda asked=None: asked.headers.get("internal") == "yes"]
    exemptions = [lambda: True, lambda: False, internal, *told]
    for number, exemption in enumerate(exemptions):

        @app.get(f"/{number}")
        @limiter.limit("0/minute", exempt_when=exemption)
        def root(request: Request):
            return {}

    assert [statuses(app, f"/{number}")[0] for number in range(5)] == [200, 429, 429, 429, 429]
    assert [statuses(app, f"/{number}", headers={"internal": "yes"})[0] for number in range(5)] == [200, 429, 200, 200, 200]


def test_limits_may_be_named_for_each_request(build, statuses):
    async def of_both(key, request):
        await asyncio.sleep(0)
        return f"{len(key)}/{request.headers['period']}"

    app, limiter = build(lambda request: request.headers["tenant"])
    for path, provider in [
        ("/plain", lambda: "1/minute"),
        ("/key", lambda key: "2/minute" if key == "gold" else "1/minute"),
        ("/request", lambda request: request.headers["limit"]),
        ("/both", of_both),
    ]:

        @app.get(path)
        @limiter.limit(provider)
        async def root(request: Request):
            return {}

    headers = {"tenant": "gold", "limit": "2/minute", "period": "hour"}
    assert statuses(app, "/plain", 2, headers=headers) == [200, 429]
    assert statuses(app, "/key", 3, headers=headers) == [200, 200, 429]
    assert statuses(app, "/key", 2, headers={"tenant": "tin"}) == [200, 429]
    assert statuses(app, "/request", 3, headers=headers) == [200, 200, 429]
    assert statuses(app, "/both", 5, headers=headers) == [200] * 4 + [429]


def test_default_limits_may_be_named_for_each_request(build, statuses):
    app, _ = build(default_limits=[lambda key: "1/minute" if key == "203.0.113.7" else "2/minute"])
    app.add_api_route("/", lambda: {})
    assert statuses(app, "/", 2) == [200, 429]
    assert statuses(app, "/", 3, client=("203.0.113.8", 1)) == [200, 200, 429]


def test_a_limit_that_is_named_wrongly_for_a_request_is_an_error(build):
    app, limiter = build()

    @app.get("/")
    @limiter.limit(lambda: "many/minute")
    def root(request: Request):
        return {}

    with pytest.raises(ValueError, match="cannot read the limit 'many/minute'"):
        TestClient(app).get("/")


def test_errors_are_swallowed_where_one_wants_it(build, statuses, caplog):
    def key(request):
        raise KeyError("no tenant")

    app, limiter = build(key, swallow_errors=True, headers_enabled=True, default_limits=["0/minute"])

    @app.get("/decorated")
    @limiter.limit("0/minute")
    def decorated(request: Request):
        return {}

    app.add_api_route("/plain", lambda: {})
    assert statuses(app, "/decorated") + statuses(app, "/plain") == [200, 200]
    assert "no tenant" in caplog.text


def test_limits_that_are_made_up_for_each_request_do_not_pile_up(build):
    limiter = Limiter(get_remote_address)
    amounts = iter(range(1, 10_000))

    @limiter.limit(lambda: f"{next(amounts)}/minute")
    async def endpoint(request: Request):
        return {}

    async def ask():
        for number in range(1000):
            await endpoint(Request({"type": "http", "method": "GET", "path": f"/{number}", "headers": [], "client": None}))

    asyncio.run(ask())
    (group,) = next(iter(limiter._dynamic_route_limits.values()))
    assert len(group._named) <= 256


def test_denied_hits_that_are_remembered_do_not_pile_up():
    storage = Limiter(get_remote_address)._storage
    for number in range(10_500):
        storage.count_denied(f"LIMITER/{number}//1/1/minute", 1, 60.0)
    assert len(storage._denied) == 10_000
    assert storage.get("LIMITER/0//1/1/minute") == 0
    assert storage.get("LIMITER/10499//1/1/minute") == 1
    storage.count_denied(f"LIMITER/{'long' * 100}//1/1/minute", 1, 60.0)
    assert max(map(len, storage._denied)) < 256


def test_a_denial_is_logged_with_limit_key_and_place(build, statuses, caplog):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("0/minute")
    def root(request: Request):
        return {}

    statuses(app, "/")
    assert [(record.name, record.getMessage()) for record in caplog.records if record.name == "slowapi"] == [
        ("slowapi", "ratelimit 0 per 1 minute (203.0.113.7) exceeded at endpoint: /")
    ]


def test_threads_together_pass_exactly_what_the_limit_says():
    from concurrent.futures import ThreadPoolExecutor

    limiter = Limiter(get_remote_address, default_limits=["50/minute;70/hour"])

    def ask(_):
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("192.0.2.1", 1)})
        try:
            limiter._check_request_limit(request, None, True)
        except RateLimitExceeded:
            return 0
        return 1

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(400))) == 50
