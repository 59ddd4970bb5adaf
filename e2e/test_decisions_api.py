"""Programs that ask for decisions by JSON, with the commands of docs/decisions-api.md."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from asking_proxy import DOCS, sample
from server import TIMEOUT, free_port, until

PAGE = "decisions-api.md"
POLICY = sample(PAGE, "toml")
TAKE = {"method": "POST", "path": "/v1/chat/completions", "cost": 100}


@pytest.fixture
def decide(start):
    """Starts a gateway that programs ask: `ask, gateway = decide(policy)`."""

    def run(policy=POLICY, env=None):
        port = free_port()
        addresses = {"SLUICEGATE_DECISIONS__LISTEN": f"127.0.0.1:{port}"}
        gateway = start(policy, upstream="http://127.0.0.1:1", env={**addresses, **(env or {})})
        gateway.decisions = f"http://127.0.0.1:{port}"

        def ask(endpoint, **call):
            return httpx.post(f"{gateway.decisions}{endpoint}", json=call, timeout=TIMEOUT)

        return ask, gateway

    return run


@pytest.mark.parametrize("language", ["sh", "python", "js"])
def test_the_examples_of_the_page_can_be_pasted(decide, tmp_path, language):
    ask, gateway = decide()
    script = tmp_path / f"example.{'mjs' if language == 'js' else language}"
    script.write_text(sample(PAGE, language).replace("http://127.0.0.1:8081", gateway.decisions))
    program = {"sh": "bash", "python": sys.executable, "js": "node"}[language]

    done = subprocess.run([program, script], capture_output=True, text=True, timeout=TIMEOUT)

    assert done.returncode == 0, done.stderr
    if language == "sh":
        assert "true" in done.stdout and '"state":"settled"' in done.stdout, done.stdout
    else:
        assert "tokens are left" in done.stdout
    # It is charged what it has told.
    assert ask("/peek", **TAKE).json()["limits"][0]["remaining"] >= 10_000 - 21 - 100
    assert gateway.labelled("sluicegate_charged_tokens_total", 'route="/v1/chat/completions"') == 21


def test_it_answers_as_its_openapi_document_says(decide, tmp_path):
    # Balances change, and sooner or later calls are denied.
    ask, gateway = decide(POLICY + "\n[[route]]\npath = \"/{*rest}\"\nlimits = [\"50/day\"]\n")
    permit = ask("/take", method="GET", path="/", headers={"x-a": ["1", "2"]}).json()["permit"]
    assert ask("/settle", permit=permit, usage={"requests": 2}).status_code == 200
    # It expects no permit that has ended, and no key that came with another call.
    statuses = ["2xx", "401", "403", "404", "409", "410", "422", "5xx"]
    config = f"[checks]\npositive_data_acceptance.expected-statuses = {json.dumps(statuses)}\n"
    tmp_path.joinpath("schemathesis.toml").write_text(config)
    command = [
        Path(sys.executable).with_name("schemathesis"),
        *["run", f"{gateway.decisions}/openapi.json", "--checks", "all", "--max-examples", "100"],
        *["--seed", "1", "--request-timeout", "10", "--no-color"],
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    # All but the one that it begins with.
    assert "Tested: 4" in done.stdout, done.stdout
    assert "panicked" not in gateway.logged()


def test_answers_have_the_fields_that_the_page_shows(decide):
    ask, _ = decide()
    shown = [block.split("```")[0] for block in DOCS.joinpath(PAGE).read_text().split("```json\n")[1:]]
    allowed, denied, _ = [json.loads(block) for block in shown]

    taken = ask("/take", **TAKE).json()
    refused = ask("/take", **{**TAKE, "cost": 20_000}).json()

    assert taken.keys() == allowed.keys() and taken["limits"][0].keys() == allowed["limits"][0].keys()
    assert refused.keys() == denied.keys() and refused["body"]["type"] == denied["body"]["type"]


def test_gateways_on_one_redis_share_accounts_and_keep_their_own_permits(decide, arrange):
    redis = arrange("redis")
    env = {"SLUICEGATE_STORE__URL": redis.url}
    policy = POLICY.replace("tokens/minute", "tokens/day")
    (here, _), (there, other) = decide(policy, env), decide(policy, env)
    taken = [ask("/take", **TAKE).json() for ask in [here, there] * 4]
    assert [answer["limits"][1]["remaining"] for answer in taken] == list(range(7, -1, -1))
    assert here("/take", **TAKE).json()["allowed"] is False

    # A permit is settled where it was given.
    stranger = there("/settle", permit=taken[0]["permit"])
    assert stranger.status_code == 404 and taken[0]["permit"][:8] in stranger.json()["detail"]
    for _ in range(2):
        settled = here("/settle", permit=taken[0]["permit"], usage={"tokens": 40})
        assert settled.json() == {"permit": taken[0]["permit"], "state": "settled"}
    assert there("/release", permit=taken[1]["permit"]).json()["state"] == "released"
    peeked = there("/peek", **TAKE).json()
    assert peeked["limits"][1]["remaining"] == 1
    assert peeked["limits"][0]["remaining"] == 10_000 - 40 - 6 * 100 - 100

    # The slots of a gateway that drains are free for others, and its estimates stay.
    other.stop()
    until(lambda: here("/peek", **TAKE).json()["limits"][1]["remaining"] == 4, "its slots are back")
    assert "permits of /take end with the gateway" in other.logged()


def test_a_lease_ends_while_the_store_is_redis(decide, arrange):
    redis = arrange("redis")
    ask, _ = decide(env={"SLUICEGATE_STORE__URL": redis.url})
    permit = ask("/take", **TAKE, lease=0.05).json()["permit"]
    until(lambda: ask("/peek", **TAKE).json()["limits"][1]["remaining"] == 7, "its slot is back")
    assert ask("/settle", permit=permit, cost=1).status_code == 410


def test_a_store_that_fails_a_settlement_is_told(decide, arrange):
    memcached = arrange("memcached")
    policy = POLICY.replace('  { name = "slots", quota = "8 concurrent", key = "global" },\n', "")
    ask, _ = decide(policy, {"SLUICEGATE_STORE__URL": memcached.url})
    permit = ask("/take", **TAKE).json()["permit"]
    memcached.stop()
    for _ in range(2):
        failed = ask("/settle", permit=permit, cost=1)
        assert failed.status_code == 503 and "estimate stays charged" in failed.json()["detail"]
