"""The decision log: what is in it, that other programs read it, and that it survives."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import httpx
import jsonschema
import pytest

from gateway import run
from model import FLOWER
from server import until

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = (DOCS / "decision-log.md").read_text()
SCHEMA = jsonschema.Draft202012Validator(json.loads((DOCS / "decision-log.schema.json").read_text()))

POLICY = """
[decision_log]
path = "decisions.jsonl"

[[route]]
path   = "/predict"
limits = [{ name = "predict", quota = "3/hour" }, { name = "shade", quota = "1/hour", mode = "shadow" }]

[[route]]
path   = "/slow"
limits = [{ name = "slots", quota = "4 concurrent", key = "global" }]
"""
CHAT = """
[decision_log]
path = "decisions.jsonl"

[[route]]
path   = "/v1/chat/completions"
meter  = "openai"
limits = [{ name = "tpm", quota = "100000 tokens/minute" }]
"""


def lines(gateway, name="decisions.jsonl"):
    """The records of a log, each checked against the schema."""
    text = (gateway.policy.parent / name).read_text()
    assert text == "" or text.endswith("\n")
    records = [json.loads(line) for line in text.splitlines()]
    for record in records:
        SCHEMA.validate(record)
    return records


def of(records, event):
    return [record for record in records if record["event"] == event]


def blocks(language):
    """The samples of the guide in a language."""
    return [block.split("```")[0] for block in GUIDE.split(f"```{language}\n")[1:]]


@pytest.fixture
def logged(start):
    """A gateway that has allowed, denied and refused requests, and has stopped."""
    gateway = start(POLICY)
    with gateway.client() as client:
        statuses = [client.post("/predict", json=FLOWER).status_code for _ in range(5)]
        statuses.append(client.post("/predict//", json=FLOWER).status_code)
    assert statuses == [200] * 3 + [429] * 2 + [400]
    gateway.stop()
    return gateway


def test_every_request_is_in_it_with_its_outcome_and_its_end(logged):
    records = lines(logged)

    assert records[0]["event"] == "start" and records[0]["store"] == "memory" and records[0]["fresh"]
    decisions, ends = of(records, "decision"), of(records, "end")
    assert [decision["outcome"] for decision in decisions] == ["allowed"] * 3 + ["denied"] * 2 + ["refused"]
    assert [end["id"] for end in ends] == [decision["id"] for decision in decisions[:3]]
    assert all(end["status"] == 200 and end["complete"] for end in ends)
    assert all(record["id"].startswith(records[0]["process"]) for record in decisions + ends)
    limits = decisions[1]["limits"]
    assert [(limit["name"], limit["mode"], limit["allowed"]) for limit in limits] == [
        ("predict", "enforce", True),
        ("shade", "shadow", False),
    ]
    assert 0 < decisions[3]["limits"][0]["wait"] <= 1200 and decisions[3]["status"] == 429
    assert decisions[5]["error"] == "ambiguous_path"
    assert "127.0.0.1" not in json.dumps(records)


def test_an_upstream_that_is_gone_is_the_reason_in_the_end(start):
    gateway = start(POLICY, upstream="http://127.0.0.1:9")
    with gateway.client() as client:
        assert client.post("/predict", json=FLOWER).status_code == 502
    gateway.stop()

    [end] = of(lines(gateway), "end")
    assert (end["status"], end["error"], end["complete"]) == (502, "upstream_down", False)


def test_a_stream_whose_client_leaves_is_settled_in_its_end(start, mock_model):
    gateway = start(CHAT, upstream=mock_model.url)
    body = {"model": "mock", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5000, "stream": True}
    with gateway.client() as client:
        with client.stream("POST", "/v1/chat/completions", json=body, headers={"x-mock-output-tokens": "5000"}) as answer:
            next(answer.iter_raw())
    end = until(lambda: of(lines(gateway), "end"), "the end is logged")[0]

    [decision] = of(lines(gateway), "decision")
    assert decision["cost"]["output_tokens"] == 5000
    assert decision["limits"][0]["charge"] == decision["cost"]["tokens"]
    assert (end["status"], end["complete"]) == (200, False)
    [settled] = end["limits"]
    assert settled["name"] == "tpm" and settled["charge"] == sum(end["tokens"].values()) < 5000


def test_plain_keys_are_told(start):
    gateway = start(POLICY.replace("path = \"decisions.jsonl\"", "path = \"decisions.jsonl\"\nkeys = \"plain\""))
    with gateway.client() as client:
        client.post("/predict", json=FLOWER)
    gateway.stop()

    [decision] = of(lines(gateway), "decision")
    assert decision["keys"] == {"client_ip": "127.0.0.1", "tier": "default"}
    assert decision["limits"][0]["key"] == "predict|client_ip=127.0.0.1"


def test_the_samples_for_the_shell_and_python_can_be_pasted(logged):
    folder = logged.policy.parent
    [shell], [python] = blocks("sh"), blocks("python")

    counted = subprocess.run(["sh", "-ec", shell], cwd=folder, capture_output=True, text=True, check=True).stdout
    most = subprocess.run([sys.executable, "-c", python], cwd=folder, capture_output=True, text=True, check=True).stdout

    assert counted.splitlines() == ["/predict allowed 3", "/predict denied 2", "unmatched refused 1"]
    key = of(lines(logged), "decision")[3]["limits"][0]["key"]
    [row] = [line for line in most.splitlines() if line.startswith("predict")]
    assert row.split() == ["predict", key, "2"], most


def test_the_samples_for_duckdb_tell_shares_and_charges(logged, monkeypatch):
    monkeypatch.chdir(logged.policy.parent)
    shares, charges = [duckdb.sql(statement).fetchall() for statement in blocks("sql")]

    assert sum(requests for _, _, requests, _ in shares) == 6
    assert sum(requests * denied for _, _, requests, denied in shares) == 2
    assert sorted((limit, charged) for limit, _, charged in charges) == [("predict", 3), ("shade", 3)]


def test_lines_are_in_the_file_while_the_gateway_runs(start):
    gateway = start(POLICY)
    with gateway.client() as client:
        client.post("/predict", json=FLOWER)
    until(lambda: len(lines(gateway)) == 3, "all lines are there")
    assert gateway.metric("sluicegate_decision_log_lines_total") == 3
    assert gateway.metric("sluicegate_decision_log_dropped_total") == 0


def test_a_reset_is_in_it_and_a_replay_resets_too(start):
    gateway = start(POLICY)
    with gateway.client() as client:
        statuses = [client.post("/predict", json=FLOWER).status_code for _ in range(4)]
        assert httpx.delete(f"{gateway.admin_url}/limits?key=client_ip=127.0.0.1&limit=predict").status_code == 200
        statuses += [client.post("/predict", json=FLOWER).status_code for _ in range(4)]
    assert statuses == ([200] * 3 + [429]) * 2
    gateway.stop()

    [decision, *_] = of(lines(gateway), "decision")
    [reset] = of(lines(gateway), "reset")
    assert reset["accounts"] == [f"predict|client_ip={decision['keys']['client_ip']}"]
    report = run("replay", "--policy", gateway.policy, "--json", gateway.policy.parent / "decisions.jsonl")
    predict = next(limit for limit in json.loads(report.stdout)["limits"] if limit["limit"] == "predict")
    assert (predict["judged"], predict["denied"]) == (8, 2), report.stdout


def test_a_full_file_is_rotated_and_old_ones_go(start):
    settings = 'path = "decisions.jsonl"\nmax_size = "4KiB"\nfiles = 2'
    gateway = start(POLICY.replace('path = "decisions.jsonl"', settings))
    with gateway.client() as client:
        for _ in range(60):
            client.post("/predict", json=FLOWER)
    gateway.stop()

    files = sorted(gateway.policy.parent.glob("decisions.jsonl*"))
    assert [file.name for file in files] == ["decisions.jsonl", "decisions.jsonl.1", "decisions.jsonl.2"]
    assert all(file.stat().st_size <= 4096 for file in files)
    assert all(lines(gateway, file.name) for file in files)


def test_half_a_line_of_a_crash_does_not_spoil_the_next(start):
    gateway = start(POLICY)
    with gateway.client() as client:
        client.post("/predict", json=FLOWER)
    gateway.stop()
    log = gateway.policy.parent / "decisions.jsonl"
    whole = log.read_text()
    log.write_text(whole + whole.splitlines()[1][:100])

    again = start(POLICY.replace("decisions.jsonl", str(log)))
    with again.client() as client:
        client.post("/predict", json=FLOWER)
    again.stop()

    records = lines(gateway)
    assert log.read_text().startswith(whole)
    assert [len(of(records, event)) for event in ("start", "decision", "end")] == [2, 2, 2]


def test_a_reload_turns_it_on_moves_it_and_turns_it_off(start):
    off = POLICY.split("[[route]]", 1)[1].join(["[[route]]", ""])
    gateway = start(off)
    folder = gateway.policy.parent

    def reload(policy):
        gateway.policy.write_text(policy)
        return httpx.post(f"{gateway.admin_url}/config/reload").status_code

    with gateway.client() as client:
        for policy in (off, POLICY, POLICY.replace("decisions", "moved"), off):
            assert reload(policy) == 200
            assert client.get("/predict//").status_code == 400
        missing = POLICY.replace("decisions", "no/such/folder/decisions")
        assert reload(missing) != 200
        assert client.get("/predict//").status_code == 400
    gateway.stop()

    for name in ("decisions.jsonl", "moved.jsonl"):
        records = lines(gateway, name)
        assert [record["event"] for record in records] == ["start", "decision"], name
        assert records[0]["fresh"] is False
    assert not (folder / "no").exists()


def test_a_file_that_cannot_be_written_is_reported_with_its_place(tmp_path):
    policy = tmp_path / "sluicegate.toml"
    policy.write_text(POLICY.replace("decisions.jsonl", "no/such/folder/decisions.jsonl"))

    checked, served = run("check", folder=tmp_path), run("serve", "--upstream", "http://127.0.0.1:9", folder=tmp_path)

    assert checked.returncode == 1 and "sluicegate.toml:3:8: " in checked.stderr, checked.stderr
    assert "no/such/folder/decisions.jsonl cannot be made" in checked.stderr
    assert served.returncode == 1 and "cannot write the decision log" in served.stderr, served.stderr


def test_a_check_makes_no_file(tmp_path):
    (tmp_path / "sluicegate.toml").write_text(POLICY)

    assert run("check", folder=tmp_path).returncode == 0
    assert not (tmp_path / "decisions.jsonl").exists()
