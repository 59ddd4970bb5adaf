"""Identification of callers: API keys, tiers and client addresses."""

import pytest

from gateway import Spent, run
from model import FLOWER
from server import until

POLICY = """
[identity]
api_keys = "../keys.toml"
default_tier = "free"
failures = "3/hour"

[tiers.free]
[tiers.premium]
scale = 5

[[route]]
path = "/predict"
limits = [{ name = "predict", quota = "2/hour", key = "api_key" }]

[[route]]
path = "/premium/predict"
tier = "premium"
limits = []
"""


@pytest.fixture
def new_key(tmp_path):
    """Makes a key with the command and returns what it prints."""

    def new_key(tenant, *arguments):
        made = run("key", "new", "--tenant", tenant, "--file", tmp_path / "keys.toml", *arguments)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    return new_key


def test_a_new_key_is_known_at_once_and_its_tier_counts(start, new_key):
    key = new_key("acme", "--tier", "premium")
    with start(POLICY).client() as client:
        for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
            assert client.post("/premium/predict", json=FLOWER, headers=headers).status_code == 200
        spent = Spent(lambda: client.post("/predict", json=FLOWER, headers={"x-api-key": key}))
    assert spent.was(10, 3600)


def test_each_key_has_its_own_limit(start, new_key):
    one, other = new_key("acme"), new_key("globex")
    with start(POLICY).client() as client:
        Spent(lambda: client.post("/predict", json=FLOWER, headers={"x-api-key": one}))
        assert client.post("/predict", json=FLOWER, headers={"x-api-key": other}).status_code == 200


def test_the_key_file_holds_no_key(start, new_key, tmp_path):
    key = new_key("acme")

    assert key.rsplit("_", 1)[1] not in (tmp_path / "keys.toml").read_text()


def test_a_revoked_key_becomes_unknown_while_the_gateway_runs(start, new_key, tmp_path):
    key = new_key("acme")
    with start(POLICY.replace("3/hour", "1000000/second")).client() as client:
        ask = lambda: client.post("/premium/predict", json=FLOWER, headers={"x-api-key": key}).status_code
        assert ask() == 403
        assert run("key", "revoke", key.split("_")[1], "--file", tmp_path / "keys.toml").returncode == 0
        until(lambda: ask() == 401, "the revoked key is answered 401")


def test_an_unknown_key_is_401_and_never_reaches_the_model(start, new_key, model):
    new_key("acme")
    with start(POLICY).client() as client:
        answer = client.post("/predict", json=FLOWER, headers={"x-api-key": "sg_aaaaaaaa_wrong"})

    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers
    assert answer.headers["content-type"] == "application/problem+json"
    assert model.calls("/predict") == 0


def test_who_guesses_keys_is_soon_told_nothing_even_about_a_right_one(start, new_key):
    key = new_key("acme")
    gateway = start(POLICY)
    with gateway.client("127.0.0.2") as guesser, gateway.client("127.0.0.3") as other:
        guesses = [
            guesser.post("/predict", json=FLOWER, headers={"x-api-key": f"sg_aaaaaaaa_{guess}"}).status_code
            for guess in range(5)
        ]
        assert guesses == [401, 401, 401, 429, 429]
        assert guesser.post("/predict", json=FLOWER, headers={"x-api-key": key}).status_code == 429
        assert other.post("/predict", json=FLOWER, headers={"x-api-key": key}).status_code == 200


ONE_AN_HOUR = '[[route]]\npath = "/predict"\nlimits = ["1/hour"]\n'


def test_a_forwarding_header_from_anybody_changes_nothing(start):
    with start(ONE_AN_HOUR).client() as client:
        assert client.post("/predict", json=FLOWER).status_code == 200
        for header in ("x-forwarded-for", "forwarded", "x-real-ip", "x_forwarded_for"):
            value = "for=192.0.2.1" if header == "forwarded" else "192.0.2.1"
            assert client.post("/predict", json=FLOWER, headers={header: value}).status_code == 429, header


def test_a_trusted_proxy_names_the_client_and_a_forged_beginning_is_ignored(start, model):
    policy = f'[gateway]\ntrusted_proxies = ["127.0.0.1"]\n\n{ONE_AN_HOUR}'
    with start(policy).client() as client:
        codes = [
            client.post("/predict", json=FLOWER, headers={"x-forwarded-for": chain}).status_code
            for chain in ("192.0.2.1", "192.0.2.2", "198.51.100.9, 192.0.2.1")
        ]
    assert codes == [200, 200, 429]
    assert model.headers("/predict")["x-forwarded-for"] == "192.0.2.2, 127.0.0.1"
