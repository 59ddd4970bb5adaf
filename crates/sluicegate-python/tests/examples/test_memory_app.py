"""examples/fastapi/memory.py, as a user runs it."""

import pytest

ONE = {"input": [5.1, 3.5, 1.4, 0.2]}
BATCH = {"inputs": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}


@pytest.fixture(scope="module")
def app(serve):
    return serve("memory")


def test_ten_predictions_a_minute_pass_and_no_more(app):
    with app.client() as client:
        answers = [client.post("/predict", json=ONE) for _ in range(13)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 3
    assert answers[0].json() == {"prediction": "setosa"}
    assert answers[0].headers["ratelimit-policy"].endswith('";q=10;w=60')
    left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]
    assert left == ["r=9", "r=8", "r=7", "r=6", "r=5", "r=4", "r=3", "r=2", "r=1", "r=0", "r=0", "r=0", "r=0"]


def test_a_denial_says_when_to_come_again(app):
    with app.client() as client:
        denied = [client.post("/predict", json=ONE) for _ in range(11)][-1]

    assert denied.headers["content-type"] == "application/problem+json"
    assert int(denied.headers["content-length"]) == len(denied.content)
    # A whole window from the first request, less what the requests took.
    assert 50 <= int(denied.headers["retry-after"]) <= 60
    assert denied.json()["detail"].startswith("Too Many Requests")


def test_two_batches_a_minute_pass_beside_the_predictions(app):
    with app.client() as client:
        assert [client.post("/batch-predict", json=BATCH).status_code for _ in range(4)] == [200, 200, 429, 429]
        # Each path has an account of its own.
        assert [client.post("/predict", json=ONE).status_code for _ in range(11)] == [200] * 10 + [429]


def test_each_client_has_accounts_of_its_own(app):
    with app.client() as first, app.client() as second:
        assert [first.post("/batch-predict", json=BATCH).status_code for _ in range(3)] == [200, 200, 429]
        answer = second.post("/batch-predict", json=BATCH)

    assert answer.status_code == 200
    assert answer.json() == {"predictions": ["setosa", "virginica"]}


def test_the_models_description_is_not_limited(app):
    with app.client() as client:
        answers = [client.get("/model-info") for _ in range(50)]

    assert {answer.status_code for answer in answers} == {200}
    assert not any("ratelimit" in answer.headers for answer in answers)
