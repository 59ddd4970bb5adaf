"""Many gateways, one store: together they give what one would."""

import math

import pytest

from load import Load
from server import until

# So patient that a busy machine is no outage.
SHARED = """
[store]
url = "{url}"
timeout = "1s"

[[route]]
path = "/models/limited"
limits = [{{ name = "limited", quota = "{quota}", key = "global", algorithm = "{algorithm}" }}]

[[route]]
path = "/models/other"
limits = ["1000/hour"]
"""
LIMITED = "/models/limited"
OTHER = "/models/other"


@pytest.fixture
def redis(arrange):
    return arrange("redis")


def gateways(start, count, url, quota="20/minute", algorithm="token-bucket"):
    return [start(SHARED.format(url=url, quota=quota, algorithm=algorithm)) for _ in range(count)]


def denied_everywhere(load, clients):
    """Returns `True` if every client was denied since the last admission."""
    last = max((answer.sent for answer in load.passed(LIMITED)), default=None)
    if last is None:
        return False
    return sum(answer.sent > last for answer in list(load.answers)) >= 4 * clients


@pytest.mark.parametrize("algorithm", ["token-bucket", "fixed-window", "sliding-window", "sliding-log"])
@pytest.mark.parametrize("count", [2, 8])
def test_gateways_that_are_hammered_together_pass_exactly_the_quota(start, redis, count, algorithm):
    hammered = gateways(start, count, redis.url, algorithm=algorithm)
    with Load(hammered, [LIMITED], clients=2) as load:
        until(lambda: denied_everywhere(load, 2 * count), "all are denied")
    passed = load.passed(LIMITED)
    seconds = max(answer.received for answer in load.answers) - passed[0].sent

    assert set(load.codes(LIMITED)) == {200, 429}
    # One comes back every three seconds, of a token bucket at least.
    back = math.floor(seconds / 3) if algorithm == "token-bucket" else 0
    assert 20 <= len(passed) <= 20 + back
    assert all(gateway.metric("sluicegate_store_errors_total") == 0 for gateway in hammered)


@pytest.mark.parametrize("count", [2, 8])
def test_gateways_that_share_memcached_pass_exactly_the_quota(start, arrange, count):
    hammered = gateways(start, count, arrange("memcached").url, algorithm="fixed-window")
    with Load(hammered, [LIMITED], clients=2) as load:
        until(lambda: denied_everywhere(load, 2 * count), "all are denied")

    assert load.codes(LIMITED) == {200: 20, 429: len(load.answers) - 20}


@pytest.mark.parametrize("algorithm", ["sliding-log", "fixed-window"])
def test_no_window_has_more_than_the_quota_and_all_of_them_have_it(start, redis, algorithm):
    hammered = gateways(start, 2, redis.url, quota="20/2 seconds", algorithm=algorithm)
    with Load(hammered, [LIMITED], clients=2) as load:
        until(lambda: len(load.passed(LIMITED)) >= 80, "four windows are spent")
    passed = load.passed(LIMITED)

    # Every request begins a window of a log, and every twentieth one that is fixed.
    for first in passed[:: 20 if algorithm == "fixed-window" else 1]:
        # They were decided between being sent and being answered, so surely in this window.
        window = [other for other in passed if first.sent <= other.sent and other.received < first.sent + 2]
        assert len(window) <= 20
    # Spent in three windows' time and what it takes to ask: no window was left with something in it.
    assert passed[79].sent - passed[0].sent < 3 * 2 + 1.5


def test_balances_survive_the_restart_of_every_gateway(start, redis):
    for gateway in (first := gateways(start, 2, redis.url, quota="20/hour")):
        with gateway.client() as client:
            assert [client.get(LIMITED).status_code for _ in range(6)] == [200] * 6
    for gateway in first:
        assert gateway.stop() == 0

    assert left(gateways(start, 2, redis.url, quota="20/hour")) == 8


def test_balances_survive_the_restart_of_a_redis_that_writes_a_file(start, arrange):
    redis = arrange("redis", "aof")
    shared = gateways(start, 2, redis.url, quota="20/hour")
    with shared[0].client() as client:
        assert [client.get(LIMITED).status_code for _ in range(12)] == [200] * 12

    redis.kill()
    redis.restart()

    until(lambda: all(gateway.asks_the_store(OTHER) for gateway in shared), "the store is asked again")
    assert left(shared) == 8


def test_a_redis_that_forgets_gives_one_more_burst(start, redis):
    shared = gateways(start, 2, redis.url, quota="20/hour")
    with shared[0].client() as client:
        assert [client.get(LIMITED).status_code for _ in range(20)] == [200] * 20

    redis.kill()
    redis.restart()

    until(lambda: all(gateway.asks_the_store(OTHER) for gateway in shared), "the store is asked again")
    assert left(shared) == 20


def test_databases_of_valkeys_cluster_have_accounts_of_their_own_which_move_with_their_slots(start, arrange):
    # A primary that has given all of its slots away shall not become a replica.
    lines = "line=cluster-databases 4", "line=cluster-allow-replica-migration no"
    cluster = arrange("cluster", "program=valkey-server", "primaries=2", "replicas=0", *lines)
    for database in (0, 1, 3):
        shared = gateways(start, 2, f"{cluster.url}/{database}", quota="6/hour")
        with shared[0].client() as client:
            assert [client.get(LIMITED).status_code for _ in range(3)] == [200] * 3
        keyspaces = [cluster.command("INFO", "keyspace", server=node) for node in range(2)]
        holder = next(node for node in range(2) if f"db{database}:" in keyspaces[node])
        first, last = ((0, 8191), (8192, 16383))[holder]
        cluster.ask("migrate_atomically", first, last, 1 - holder)
        assert left(shared) == 3
        cluster.ask("migrate_atomically", first, last, holder)


def left(shared):
    """The rest of the limit: it is spent from both gateways in turn."""
    passed = 0
    clients = [gateway.client() for gateway in shared]
    for number in range(1000):
        answer = clients[number % len(clients)].get(LIMITED)
        if answer.status_code == 429:
            break
        assert answer.status_code == 200
        passed += 1
    for client in clients:
        client.close()
    return passed
