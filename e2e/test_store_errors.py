"""A store that cannot be used as the policy says: what is wrong is said, and passwords never are."""

import re
from pathlib import Path

import pytest

from gateway import run
from server import free_port, until

SECRET = "open-s3same"
ROUTES = """
[[route]]
path = "/models/limited"
limits = [{ name = "limited", quota = "20/hour", key = "global" }]

[[route]]
path = "/stream"
limits = ["2 concurrent"]
"""


def policy(url, more=""):
    return f'[store]\nurl = "{url}"\n{more}{ROUTES}'


@pytest.fixture
def refused(tmp_path):
    """The error of a gateway that does not start."""

    def refused(url, more=""):
        file = tmp_path / "sluicegate.toml"
        addresses = f'[gateway]\nlisten = "127.0.0.1:{free_port()}"\nadmin = "127.0.0.1:{free_port()}"\n'
        upstream = f'upstream = "http://127.0.0.1:{free_port()}"\n'
        file.write_text(addresses + upstream + policy(url, more))
        served = run("serve", "--config", file)
        said = served.stdout + served.stderr
        assert served.returncode not in (0, None), said
        assert "panicked" not in said
        assert SECRET not in said
        return said

    return refused


def test_a_wrong_password(arrange, refused):
    redis = arrange("redis", "password=another")

    said = refused(f"redis://:{SECRET}@127.0.0.1:{redis.port()}")

    assert "password" in said and f"127.0.0.1:{redis.port()}" in said


def test_a_password_that_is_missing(arrange, refused):
    redis = arrange("redis", "password=another")

    assert "password" in refused(f"redis://127.0.0.1:{redis.port()}")


@pytest.mark.parametrize(
    "url, what",
    [
        (f"rediss:/:{SECRET}@cache", "scheme"),
        (f"postgres://:{SECRET}@cache", "postgres"),
        (f"redis://:{SECRET}@cache:70000", "port"),
        (f"redis://:{SECRET}@cache/first", "database"),
        (f"redis+sentinel://:{SECRET}@cache", "name"),
        (f"redis+cluster://:{SECRET}@cache/first", "database"),
    ],
)
def test_a_wrong_url(refused, url, what):
    assert what in refused(url)


@pytest.mark.parametrize(
    "setting, scheme, hint",
    [
        # Redis waits for the rest of what it takes for a command, and so looks as if it were hanging.
        ("line=", "rediss", "if it speaks no TLS, write redis://"),
        ("tls", "redis", "if it speaks TLS, write rediss://"),
    ],
)
def test_tls_on_one_side_only_may_be_an_outage_and_is_named(start, arrange, setting, scheme, hint):
    redis = arrange("redis", setting)
    gateway = start(policy(f"{scheme}://:{SECRET}@127.0.0.1:{redis.port()}"))

    assert hint in gateway.logged()
    assert SECRET not in gateway.logged()


def test_a_certificate_that_another_authority_has_signed(arrange, refused):
    redis, other = arrange("redis", "tls"), arrange("redis", "tls")

    assert "certificate" in refused(redis.url, f'ca = "{other.ca()}"\n')


def test_a_certificate_that_the_policy_trusts(start, arrange):
    redis = arrange("redis", "tls", f"password={SECRET}")
    gateway = start(policy(redis.url, f'ca = "{redis.ca()}"\ntimeout = "1s"\n'))

    with gateway.client() as client:
        assert [client.get("/models/limited").status_code for _ in range(21)] == [200] * 20 + [429]
    assert redis.command("DBSIZE") != "0"
    assert SECRET not in gateway.logged()


def test_a_replica_that_takes_no_writes(arrange, refused):
    primary = arrange("redis")
    replica = arrange("redis", f"line=replicaof 127.0.0.1 {primary.port()}")
    until(lambda: replica.command("ROLE").splitlines()[3] == "connected", "the replica has everything")

    assert "read-only replica" in refused(replica.url)


def test_sentinels_that_do_not_know_the_name(arrange, refused):
    redis = arrange("sentinel")

    assert "know no primary of this name" in refused(redis.url.rsplit("/", 1)[0] + "/other")


def test_a_store_that_is_away_is_a_warning_and_the_gateway_starts(start):
    url = f"redis://:{SECRET}@127.0.0.1:{free_port()}"
    gateway = start(policy(url))

    with gateway.client() as client:
        assert client.get("/models/limited").status_code == 200
    assert "WARN" in gateway.logged() and url.rsplit("@")[1] in gateway.logged()
    assert SECRET not in gateway.logged()


def test_a_limit_that_denies_in_an_outage_is_503_and_not_429(start):
    gateway = start(policy(f"redis://:{SECRET}@127.0.0.1:{free_port()}", 'outage = "deny"\n'))

    with gateway.client() as client:
        answers = [client.get("/models/limited") for _ in range(10)]
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert all(SECRET not in answer.text for answer in answers)
    assert SECRET not in gateway.logged()


def test_the_user_of_the_documentation_may_do_what_is_needed_and_hardly_more(start, arrange):
    documentation = (Path(__file__).parent.parent / "docs" / "stores.md").read_text()
    [user] = re.findall(r"`ACL SETUSER limiter (.*?)`", documentation)
    redis = arrange("redis", "line=user default off", f"line=user limiter {user}".replace("PASSWORD", SECRET))
    gateway = start(policy(f"redis://limiter:{SECRET}@127.0.0.1:{redis.port()}", 'timeout = "1s"\n'))

    with gateway.client() as client:
        assert [client.get("/models/limited").status_code for _ in range(21)] == [200] * 20 + [429]
        with client.stream("GET", "/stream") as answer:
            assert answer.status_code == 200
    assert gateway.metric("sluicegate_store_errors_total") == 0
    for command in (["FLUSHALL"], ["GET", "another:key"], ["CONFIG", "GET", "*"]):
        assert redis.command("ACL", "DRYRUN", "limiter", *command) != "OK"


def test_a_key_that_holds_something_else(start, arrange):
    redis = arrange("redis", f"password={SECRET}")
    gateway = start(policy(redis.url, 'keys = "readable"\ntimeout = "1s"\n'))
    with gateway.client() as client:
        assert client.get("/models/limited").status_code == 200
        key = redis.command("KEYS", "*limited*")
        redis.command("DEL", key)
        redis.command("RPUSH", key, "of", "another")

        # By its outage policy, which is local.
        assert client.get("/models/limited").status_code == 200
        assert gateway.metric("sluicegate_store_errors_total") > 0
        # Once it is taken for down, it is said why.
        until(lambda: client.get("/models/limited") and "does not answer" in gateway.logged(), "it is logged")
    assert key in gateway.logged()
    assert "delete it" in gateway.logged()
    assert SECRET not in gateway.logged()
