"""The promises of the README."""

import os
from pathlib import Path

import pytest

from gateway import Spent, binary, run
from model import FLOWER, flowers
from server import free_port
from shells import SHELLS, paste

README = Path(__file__).parents[1].joinpath("README.md").read_text()
POLICY = README.split("```toml\n")[1].split("```")[0]
QUICK_START = README.split("## Quick start")[1].split("```sh\n")[1].split("```")[0]


def test_the_policy_of_the_readme_is_a_good_one(tmp_path):
    policy = tmp_path / "sluicegate.toml"
    policy.write_text(POLICY)

    checked = run("check", "--strict", folder=tmp_path)

    assert checked.returncode == 0, checked.stderr


def test_the_policy_of_the_readme_limits_as_it_says(start):
    with start(POLICY).client() as client:
        assert Spent(lambda: client.post("/predict", json=FLOWER)).passed == 10
        assert client.post("/predict/batch", json=flowers(100)).status_code == 200
        assert client.post("/predict/batch", json=flowers(100)).status_code == 429


@pytest.mark.parametrize("shell", SHELLS)
def test_the_quick_start_of_the_readme_can_be_pasted(mock_model, tmp_path, shell):
    listen, admin = free_port(), free_port()

    def here(text):
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{listen}").replace("127.0.0.1:9090", f"127.0.0.1:{admin}")
        return text.replace("http://127.0.0.1:8000", mock_model.url)

    tmp_path.joinpath("sluicegate.toml").write_text(here(POLICY))
    build, rest = QUICK_START.split("\n", 1)
    assert build.startswith("cargo build --release && export PATH=")
    env = {
        **os.environ,
        "PATH": f"{Path(binary()).parent}:{os.environ['PATH']}",
        "SLUICEGATE_GATEWAY__ADMIN": f"127.0.0.1:{admin}",
    }
    stop = "kill $!\nwait $! || true\n"

    printed = paste(shell, here(rest) + stop, tmp_path, env)

    answers = [line for line in printed.splitlines() if line in ("200", "429")]
    assert answers == ["200"] * 10 + ["429"], printed
    assert printed.count("HTTP/1.1 429 Too Many Requests") == 1 and "retry-after: " in printed
    assert 'sluicegate_requests_total{route="/predict"' in printed


def test_blocks_of_commands_have_no_comments():
    """An interactive zsh takes them for arguments."""
    blocks = [block.split("```")[0] for block in README.split("```sh\n")[1:]]
    assert blocks and not any("#" in block for block in blocks)
