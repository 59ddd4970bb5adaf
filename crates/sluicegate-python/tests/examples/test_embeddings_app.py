"""examples/fastapi/embeddings.py, as a user runs it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from server import TIMEOUT, until


@pytest.fixture(scope="module")
def app(serve):
    return serve("embeddings")


def texts(count, words=1):
    return {"inputs": [f"petal {number} " * words for number in range(count)]}


def test_texts_that_mean_alike_are_near_each_other(app):
    with app.client() as client:
        answer = client.post("/embed", json={"inputs": ["petal width of a flower", "sepal length", "alcohol in wine"]})
    petal, sepal, wine = answer.json()["embeddings"]

    def nearness(one, other):
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert nearness(petal, petal) == pytest.approx(1, abs=0.01)
    assert nearness(petal, sepal) > 0.8 > 0.2 > nearness(petal, wine)


def test_a_request_costs_as_many_items_as_it_has_texts(app):
    with app.client() as client:
        answers = [client.post("/embed", json=texts(count)) for count in (150, 100, 50)]

    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert '_200_items_per_minute";r=50;' in answers[0].headers["ratelimit"]
    # A denial charges nothing: all 50 were there for the third.
    assert len(answers[2].json()["embeddings"]) == 50


def test_a_text_that_comes_twice_is_paid_for_once(app):
    with app.client() as client:
        answer = client.post("/embed", json={"inputs": ["petal width"] * 150})
        assert answer.json()["usage"] == {"items": 1}
        # The estimate took 150; settled, there is room for 199 more.
        assert client.post("/embed", json=texts(199)).status_code == 200
        assert client.post("/embed", json=texts(60)).status_code == 429


def test_a_client_has_two_requests_in_flight(app):
    long = texts(1, words=80_000)
    with app.client() as client, ThreadPoolExecutor(2) as others:
        def denied_while_two_are_served():
            with app.client() as other:
                big = [others.submit(client.post, "/embed", json=long) for _ in range(2)]
                denied = None
                while not all(request.done() for request in big):
                    answer = client.post("/embed", json=texts(0))
                    if answer.status_code == 429:
                        denied = answer
                        # The slots are each client's own.
                        assert other.post("/embed", json=texts(1)).status_code == 200
                        break
                statuses = [request.result(TIMEOUT).status_code for request in big]
            return denied is not None and (denied, statuses)

        denied, statuses = until(denied_while_two_are_served, "two requests are served at once")

        assert statuses == [200, 200]
        assert "2 concurrent" in denied.json()["detail"]
        # Both have been answered, so their slots are free.
        assert client.post("/embed", json=texts(1)).status_code == 200


def test_metrics_tell_what_was_decided(app):
    def summary():
        counts = client.get("/metrics", headers={"accept": "application/json"}).json()
        route = counts["endpoints"].get("/embed", {"total": 0, "limited": 0})
        return counts["total_requests"], counts["limited_requests"], route["total"], route["limited"]

    with app.client() as client:
        before = summary()
        client.post("/embed", json=texts(200))
        client.post("/embed", json=texts(150))
        after = summary()
        page = client.get("/metrics")

    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 2, 1]
    assert page.headers["content-type"].startswith("text/plain")
    assert f'sluicegate_requests_total{{route="/embed",tier="default",decision="deny"}} {after[3]}\n' in page.text
