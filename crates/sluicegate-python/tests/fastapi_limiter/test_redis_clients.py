"""The clients of redis-py that apps give to `init`: their servers are found, and nothing is asked of them."""

import asyncio

import pytest
from fastapi import Depends, FastAPI

from sluicegate.fastapi_limiter import FastAPILimiter
from sluicegate.fastapi_limiter.depends import RateLimiter
from sluicegate.compat.fastapi_limiter.redis_client import UnreadableClient, store_of

redis_py = pytest.importorskip("redis")
aioredis = pytest.importorskip("redis.asyncio")
from redis.asyncio.sentinel import Sentinel  # noqa: E402


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ({}, "redis://localhost:6379"),
        ({"host": "cache", "port": 6380, "db": 3}, "redis://cache:6380/3"),
        ({"host": "cache", "password": "p@:/%"}, "redis://:p%40%3A%2F%25@cache:6379"),
        ({"host": "cache", "username": "me", "password": "secret"}, "redis://me:secret@cache:6379"),
        ({"host": "::1"}, "redis://[::1]:6379"),
        ({"ssl": True, "host": "cache"}, "rediss://cache:6379"),
        ({"unix_socket_path": "/run/a b.sock"}, "redis+unix:///run/a%20b.sock"),
        (
            {"unix_socket_path": "/run/redis.sock", "db": 1, "username": "me", "password": "p&?"},
            "redis+unix:///run/redis.sock?db=1&username=me&password=p%26%3F",
        ),
    ],
)
@pytest.mark.parametrize("decode_responses", [True, False])
def test_a_clients_settings_are_a_url(arguments, url, decode_responses):
    assert store_of(aioredis.Redis(decode_responses=decode_responses, **arguments)) == {"url": url}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("redis://cache", "redis://cache:6379"),
        ("redis://me:p%40@cache:6380/2", "redis://me:p%40@cache:6380/2"),
        ("redis://cache?db=4", "redis://cache:6379/4"),
        ("rediss://cache", "rediss://cache:6379"),
        ("unix://:secret@/run/redis.sock?db=2", "redis+unix:///run/redis.sock?db=2&password=secret"),
    ],
)
def test_a_client_from_a_url_leads_to_the_same_place(given, url):
    assert store_of(aioredis.from_url(given, encoding="utf8")) == {"url": url}
    assert store_of(aioredis.Redis(connection_pool=aioredis.BlockingConnectionPool.from_url(given))) == {"url": url}
    assert store_of(redis_py.from_url(given)) == {"url": url}


def test_sentinels_are_asked_for_the_primary_by_its_name():
    sentinel = Sentinel([("a", 1), ("::1", 2)], password="secret", db=2)
    client = sentinel.master_for("the name")
    assert store_of(client) == {"url": "redis+sentinel://:secret@a:1,[::1]:2/the%20name/2"}


def test_a_cluster_is_known_by_its_first_nodes():
    cluster = pytest.importorskip("redis.asyncio.cluster")
    nodes = [cluster.ClusterNode("a", 1), cluster.ClusterNode("b", 2)]
    client = cluster.RedisCluster(startup_nodes=nodes, username="me", password="secret")
    assert store_of(client) == {"url": "redis+cluster://me:secret@a:1,b:2"}
    assert store_of(cluster.RedisCluster(host="c", port=3, ssl=True)) == {"url": "rediss+cluster://c:3"}


def test_root_certificates_are_those_of_the_client(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = aioredis.Redis(host="cache", ssl=True, ssl_ca_certs="roots.pem")
    assert store_of(client) == {"url": "rediss://cache:6379", "ca": str(tmp_path / "roots.pem")}


def test_a_client_of_fakeredis_is_memory():
    fake = type("FakeRedis", (aioredis.Redis,), {"__module__": "fakeredis.aioredis"})
    assert store_of(fake(host="no server at all")) == {"url": "memory://"}


@pytest.mark.parametrize(
    ("client", "why"),
    [
        (lambda: object(), "its server cannot be found out from a builtins.object"),
        (lambda: None, "builtins.NoneType"),
        (lambda: aioredis.Redis(ssl=True, ssl_cert_reqs="none"), "it does not check the server's certificate"),
        (lambda: aioredis.Redis(ssl=True, ssl_certfile="a.pem"), "ssl_certfile is not supported"),
        (lambda: Sentinel([("a", 1)]).slave_for("name"), "it asks replicas"),
        (lambda: Sentinel([("a", 1)], sentinel_kwargs={"password": "hunter2"}).master_for("n"), "sentinels want a password"),
        (lambda: Sentinel([("a", 1)], ssl=True).master_for("name"), "asked through TLS"),
    ],
)
def test_what_cannot_be_honoured_is_an_error_that_says_so(client, why):
    with pytest.raises(UnreadableClient, match=why) as refused:
        store_of(client())
    assert "A URL such as" in str(refused.value) and "hunter2" not in str(refused.value)


def test_a_password_that_changes_is_an_error_and_one_that_stays_is_read():
    credentials = pytest.importorskip("redis.credentials")

    class Rotating(credentials.CredentialProvider):
        def get_credentials(self):
            return "me", "hunter2"

    with pytest.raises(UnreadableClient, match="a .*Rotating, which can change it at any time"):
        store_of(aioredis.Redis(credential_provider=Rotating()))
    fixed = credentials.UsernamePasswordCredentialProvider("me", "secret")
    assert store_of(aioredis.Redis(credential_provider=fixed)) == {"url": "redis://me:secret@localhost:6379"}


def client_of(stores, arrangement):
    port = stores.port()
    match arrangement:
        case ("redis",):
            return aioredis.from_url(stores.url, encoding="utf8", decode_responses=True)
        case ("redis", "unix"):
            return aioredis.Redis(unix_socket_path=stores.url.removeprefix("redis+unix://").split("?")[0])
        case ("redis", "tls"):
            return aioredis.Redis(host="localhost", port=port, ssl=True, ssl_ca_certs=stores.ca())
        case ("redis", _):
            return aioredis.Redis(host="127.0.0.1", port=port, password="p@ss:/%")
        case ("sentinel",):
            hosts = stores.url.removeprefix("redis+sentinel://").split("/")[0].split(",")
            name = stores.url.rsplit("/", 1)[1]
            return Sentinel([(host.split(":")[0], int(host.split(":")[1])) for host in hosts]).master_for(name)
        case _:
            return pytest.importorskip("redis.asyncio.cluster").RedisCluster(host="127.0.0.1", port=port)


@pytest.mark.parametrize(
    "arrangement",
    [("redis",), ("redis", "password=p@ss:/%"), ("redis", "unix"), ("redis", "tls"), ("sentinel",), ("cluster",)],
    ids=" ".join,
)
def test_a_client_and_another_process_with_its_url_share_what_they_count(serve, arrange, statuses, arrangement):
    stores = arrange(*arrangement)
    app = FastAPI()
    app.get("/", dependencies=[Depends(RateLimiter(times=3, minutes=1))])(lambda: "ok")
    client = serve(app, client_of(stores, arrangement), store={"timeout": "1s"})
    assert statuses(client, "/", 2) == [200, 200]
    settings = store_of(FastAPILimiter.redis)
    url = settings.pop("url")
    assert statuses(serve(app, url, store={"timeout": "1s", **settings}), "/", 2) == [200, 429]


def test_close_closes_the_client_that_was_given():
    class Client(aioredis.Redis):
        closed = False

        async def aclose(self, *_):
            self.closed = True

        close = aclose

    async def app():
        client = Client(port=1)
        await FastAPILimiter.init(client)
        await FastAPILimiter.close()
        return client.closed

    try:
        assert asyncio.run(app())
    finally:
        FastAPILimiter.redis = None
