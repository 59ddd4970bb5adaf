"""examples/fastapi/redis_limits.py, as a user runs it, on a real Redis."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

ONE = {"input": [5.1, 3.5, 1.4, 0.2]}
BATCH = {"inputs": [[5.1, 3.5, 1.4, 0.2]]}


def on(url):
    """The settings of a server on this Redis, which a busy machine does not take for one that is down."""
    return {"SLUICEGATE_STORE__URL": url, "SLUICEGATE_STORE__TIMEOUT": "1s"}


def test_twenty_predictions_and_five_batches_pass(serve, arrange):
    app = serve("redis_limits", **on(arrange("redis").url))
    with app.client() as client:
        predictions = [client.post("/predict", json=ONE) for _ in range(22)]
        batches = [client.post("/batch-predict", json=BATCH) for _ in range(7)]

    assert [answer.status_code for answer in predictions] == [200] * 20 + [429] * 2
    assert 50 <= int(predictions[-1].headers["retry-after"]) <= 60
    assert [answer.status_code for answer in batches] == [200] * 5 + [429] * 2
    assert batches[0].headers["ratelimit-policy"].endswith('";q=5;w=300')
    assert 290 <= int(batches[-1].headers["retry-after"]) <= 300


def test_servers_on_one_redis_give_out_one_quota(serve, arrange):
    url = arrange("redis").url
    # The same user at both: each app's first one.
    with serve("redis_limits", **on(url)).client() as here, serve("redis_limits", **on(url)).client() as there:
        with ThreadPoolExecutor(8) as hands:
            answers = list(hands.map(lambda client: client.post("/predict", json=ONE), [here, there] * 30))

    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200] * 20 + [429] * 40


def test_workers_give_out_one_quota(serve, arrange):
    app = serve("redis_limits", "--workers", "4", **on(arrange("redis").url))

    # A connection for each request, so that all workers get some.
    with ThreadPoolExecutor(8) as hands:
        answers = list(hands.map(lambda _: httpx.post(f"{app.url}/predict", json=ONE), range(60)))

    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200] * 20 + [429] * 40


def test_a_server_that_is_started_again_goes_on_with_the_same_accounts(serve, arrange):
    url = arrange("redis").url
    app = serve("redis_limits", **on(url))
    with app.client() as client:
        assert [client.post("/batch-predict", json=BATCH).status_code for _ in range(5)] == [200] * 5
    app.stop()

    with serve("redis_limits", **on(url)).client() as client:
        assert client.post("/batch-predict", json=BATCH).status_code == 429


def test_without_redis_the_process_limits_by_its_own_memory(serve, arrange):
    redis = arrange("redis")
    with serve("redis_limits", **on(redis.url)).client() as client:
        assert client.post("/predict", json=ONE).status_code == 200
        redis.kill()
        statuses = [client.post("/predict", json=ONE).status_code for _ in range(22)]

    assert statuses == [200] * 20 + [429] * 2


def test_an_app_that_redis_refuses_does_not_start(serve, arrange):
    redis = arrange("redis")
    url = redis.url
    redis.command("config", "set", "requirepass", "secret")

    with pytest.raises(AssertionError, match="exited") as refused:
        serve("redis_limits", **on(url))
    assert "StoreError" in str(refused.value)


def test_an_app_starts_while_redis_is_down(serve, arrange):
    redis = arrange("redis")
    url = redis.url
    redis.kill()

    with serve("redis_limits", **on(url)).client() as client:
        assert [client.post("/batch-predict", json=BATCH).status_code for _ in range(6)] == [200] * 5 + [429]
