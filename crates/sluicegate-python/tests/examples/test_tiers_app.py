"""examples/fastapi/tiers.py, as a user runs it."""

import pytest
from server import until

ONE = {"input": [5.1, 3.5, 1.4, 0.2]}
PREMIUM = {"x-user-tier": "premium"}
FOREVER = "600"  # seconds for which the model loads


def flowers(count):
    return {"inputs": [ONE["input"]] * count}


def limits(client):
    """The limits that the client sees."""
    return client.post("/predict", json=ONE).headers["ratelimit-policy"]


def spent(client, path):
    """The number of admitted requests before the first denial."""
    for passed in range(1000):
        status = client.post(path, json=ONE).status_code
        if status == 429:
            return passed
        assert status == 200
    raise AssertionError(f"{path} is not limited")


@pytest.fixture(scope="module")
def warm(serve):
    """The app, with its model loaded and its limits grown to what they are."""
    app = serve("tiers", LOAD_SECONDS="0")
    with app.client() as client:
        until(lambda: "q=20;" in limits(client), "the limits have grown")
    return app


def test_who_is_not_premium_gets_403_on_the_premium_route(warm):
    with warm.client() as client:
        refused = client.post("/premium/predict", json=ONE)
        served = client.post("/premium/predict", json=ONE, headers=PREMIUM)

    assert refused.status_code == 403
    assert refused.json()["detail"] == "Premium access required"
    assert served.json() == {"prediction": "setosa", "model": "large"}


def test_premium_callers_have_five_times_the_limit(warm):
    with warm.client() as free, warm.client(**PREMIUM) as premium:
        # And a few more, where a busy machine takes seconds to ask: the buckets refill meanwhile.
        assert spent(free, "/predict") in range(20, 30)
        assert spent(premium, "/predict") in range(100, 130)


def test_all_premium_callers_share_the_premium_route(warm):
    with warm.client(**PREMIUM) as one, warm.client(**PREMIUM) as another:
        assert spent(one, "/premium/predict") in range(25, 40)
        assert spent(another, "/premium/predict") < 10


def test_a_request_to_the_heavy_model_costs_five(warm):
    with warm.client() as client:
        answers = [client.post("/heavy/predict", json=ONE) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert '";r=15;' in answers[0].headers["ratelimit"]


def test_a_batch_costs_as_many_items_as_it_has(warm):
    with warm.client() as client:
        first = client.post("/batch-predict", json=flowers(60))
        second = client.post("/batch-predict", json=flowers(60))
        third = client.post("/batch-predict", json=flowers(40))
        never = client.post("/batch-predict", json=flowers(101))

    assert [first.status_code, second.status_code, third.status_code] == [200, 429, 200]
    assert '";r=40;' in first.headers["ratelimit"]
    assert len(first.json()["predictions"]) == 60
    # More than the quota ever holds: no wait would help.
    assert never.status_code == 429
    assert "retry-after" not in never.headers


def test_a_batch_that_cannot_be_counted_is_refused(warm):
    with warm.client() as client:
        assert client.post("/batch-predict", json={}).status_code == 400
        assert client.post("/batch-predict", json={"inputs": "many"}).status_code == 400
        # An old FastAPI reads the body before it asks dependencies, and says so itself.
        assert client.post("/batch-predict", content="not json").status_code in (400, 422)


def test_while_the_model_loads_limits_are_a_fifth(serve):
    app = serve("tiers", LOAD_SECONDS=FOREVER)
    with app.client() as free, app.client(**PREMIUM) as premium:
        assert free.get("/health").status_code == 503
        assert spent(free, "/predict") == 4
        assert spent(premium, "/predict") in range(20, 30)
        assert free.post("/batch-predict", json=flowers(15)).status_code == 200
        assert free.post("/batch-predict", json=flowers(15)).status_code == 429


def test_limits_grow_when_the_model_has_loaded(serve):
    app = serve("tiers", LOAD_SECONDS="1")
    with app.client() as client:
        until(lambda: client.get("/health").status_code == 200, "the model has loaded")
        until(lambda: "q=20;" in limits(client), "the limits have grown")
