"""The commands that end by themselves."""

import json
import os
from pathlib import Path

import pytest

from gateway import binary, run
from terminal import Terminal

# Not the demo's, in which everybody may choose a tier.
FOLDERS = Path(__file__).parents[1].glob("examples/[!d]*/*.toml")
POLICIES = [path for path in FOLDERS if "[gateway]" in path.read_text()]


def test_check_says_where_a_policy_is_wrong_and_what_would_be_right(tmp_path):
    policy = tmp_path / "sluicegate.toml"
    policy.write_text('[[route]]\npath = "/predict"\nlimts = ["10/minute"]\n')

    checked = run("check", policy)

    assert checked.returncode == 1
    assert f"{policy}:3:1:" in checked.stderr
    assert "limits" in checked.stderr


def test_check_shows_what_a_good_policy_means(tmp_path):
    policy = tmp_path / "sluicegate.toml"
    policy.write_text('[[route]]\npath = "/predict"\nlimits = ["10/minute"]\n')

    checked = run("check", policy)

    assert checked.returncode == 0, checked.stderr
    assert "/predict" in checked.stdout


@pytest.mark.parametrize("policy", sorted(POLICIES), ids=lambda path: path.name)
def test_the_policies_of_the_examples_are_good_ones(policy):
    checked = run("check", "--strict", policy)

    assert checked.returncode == 0, checked.stderr


def test_a_hostile_policy_is_an_error_and_not_a_crash(tmp_path):
    policy = tmp_path / "sluicegate.toml"
    for text in ("[" * 100_000, "a = " + "[" * 100_000, "#" * 10_000_000, '[[route]]\npath = "/{"\n', "\x00"):
        policy.write_text(text)
        checked = run("check", policy)
        assert checked.returncode == 1, (text[:40], checked.stderr)
        assert str(policy) in checked.stderr
        assert "panicked" not in checked.stderr


def test_the_schema_is_json():
    schema = json.loads(run("schema").stdout)

    assert "route" in schema["properties"]


def test_serve_without_a_policy_says_what_to_do(tmp_path):
    served = run("serve", folder=tmp_path)

    assert served.returncode != 0
    assert "--upstream" in served.stderr


def test_help_teaches_by_example():
    for command in ([], ["serve"], ["init"], ["check"], ["explain"], ["key"]):
        assert "Examples:" in run(*command, "--help").stdout


def test_tab_completes_in_bash():
    folder = str(Path(binary()).parent)
    shell = Terminal(["bash", "--norc", "--noprofile"], env={"PATH": f"{folder}:{os.environ['PATH']}"})
    try:
        shell.type("source <(sluicegate completions bash)\n")
        shell.type("sluicegate che\t")
        shell.until(lambda screen: "sluicegate check" in screen, "the command is completed")
        shell.type("\x15sluicegate key new --ten\t")
        shell.until(lambda screen: "sluicegate key new --tenant" in screen, "the flag is completed")
    finally:
        shell.close()
