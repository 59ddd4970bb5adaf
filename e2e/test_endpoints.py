"""The limits of a small ML API, seen by clients: each endpoint has the limit of endpoints.toml."""

from pathlib import Path

import pytest

from gateway import Spent
from model import FLOWER, flowers

POLICY = Path(__file__).with_name("endpoints.toml").read_text()
PREMIUM = {"x-user-tier": "premium"}


@pytest.fixture
def gateway(start):
    return start(POLICY)


@pytest.fixture
def client(gateway):
    with gateway.client() as client:
        yield client


def test_predict_passes_ten_a_minute_and_then_says_how_long_to_wait(client):
    spent = Spent(lambda: client.post("/predict", json=FLOWER))

    assert spent.was(10, 60), (spent.passed, spent.seconds)
    assert spent.denial.json()["detail"].startswith("Too Many Requests")
    # One request comes back every 6 seconds.
    assert 1 <= int(spent.denial.headers["retry-after"]) <= 6


def test_an_allowed_request_is_answered_by_the_model(client):
    answer = client.post("/predict", json=FLOWER)

    assert answer.status_code == 200
    assert answer.json() == {"prediction": "setosa"}


def test_denied_requests_never_reach_the_model(client, model):
    spent = Spent(lambda: client.post("/predict", json=FLOWER))

    assert model.calls("/predict") == spent.passed


def test_clients_at_other_addresses_have_their_own_limit(gateway):
    with gateway.client("127.0.0.2") as one, gateway.client("127.0.0.3") as other:
        Spent(lambda: one.post("/predict", json=FLOWER))
        assert other.post("/predict", json=FLOWER).status_code == 200


def test_a_fixed_window_passes_two_batches_a_minute(client):
    spent = Spent(lambda: client.post("/batch-predict", json=flowers(3)))

    # Nothing comes back before the window ends.
    assert spent.passed == 2
    assert 1 <= int(spent.denial.headers["retry-after"]) <= 60


def test_model_info_is_never_limited(client):
    for _ in range(150):
        answer = client.get("/model-info")
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers


def test_the_sixth_batch_within_five_minutes_is_denied(client):
    spent = Spent(lambda: client.post("/predict/batch", json=flowers(1)))

    assert spent.was(5, 300)
    assert 1 <= int(spent.denial.headers["retry-after"]) <= 60


def test_items_are_counted_over_batches(client):
    for _ in range(2):
        assert client.post("/predict/batch", json=flowers(50)).status_code == 200
    answer = client.post("/predict/batch", json=flowers(90))

    assert answer.status_code == 429
    [violated] = answer.json()["violated-policies"]
    assert "items" in violated


def test_a_batch_above_the_whole_limit_is_denied_without_retry_after(client, model):
    answer = client.post("/predict/batch", json=flowers(101))

    assert answer.status_code == 429
    assert "retry-after" not in answer.headers
    assert answer.headers["x-should-retry"] == "false"
    assert model.calls("/predict/batch") == 0
    # And it was charged to nobody: a full batch still fits.
    assert client.post("/predict/batch", json=flowers(100)).status_code == 200


def test_premium_passes_thirty_a_minute(client):
    spent = Spent(lambda: client.post("/premium/predict", json=FLOWER, headers=PREMIUM))

    assert spent.was(30, 60), (spent.passed, spent.seconds)


def test_premium_is_closed_to_the_free_tier(client, model):
    answer = client.post("/premium/predict", json=FLOWER)

    assert answer.status_code == 403
    assert answer.json()["detail"] == "Premium access required"
    assert model.calls("/premium/predict") == 0


@pytest.mark.parametrize(
    "path, body, amount, window",
    [
        ("/models/lightweight/predict", FLOWER, 100, 60),
        ("/models/heavy/predict", FLOWER, 10, 60),
        ("/models/batch-process", flowers(2), 2, 300),
    ],
)
def test_each_model_has_its_own_limit(client, path, body, amount, window):
    spent = Spent(lambda: client.post(path, json=body))

    assert spent.was(amount, window), (spent.passed, spent.seconds)


def test_a_spent_model_leaves_the_others_open(client):
    Spent(lambda: client.post("/models/heavy/predict", json=FLOWER))

    assert client.post("/models/lightweight/predict", json=FLOWER).status_code == 200
    assert client.post("/models/batch-process", json=flowers(1)).status_code == 200


def test_the_free_tier_passes_twenty_a_minute(client):
    spent = Spent(lambda: client.post("/tiered/predict", json=FLOWER))

    assert spent.was(20, 60), (spent.passed, spent.seconds)


def test_premium_passes_five_times_as_much(client):
    spent = Spent(lambda: client.post("/tiered/predict", json=FLOWER, headers=PREMIUM))

    assert spent.was(100, 60), (spent.passed, spent.seconds)


def test_premium_requests_never_raise_the_free_limit(client):
    def free_and_premium():
        client.post("/tiered/predict", json=FLOWER, headers=PREMIUM)
        return client.post("/tiered/predict", json=FLOWER)

    assert Spent(free_and_premium).was(20, 60)
