"""Commands in examples/fastapi/README.md."""

import re
import subprocess
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[4] / "examples" / "fastapi" / "README.md"

# Of each block of commands that starts an app, its lines behind the first.
BLOCKS = {
    name: [line for line in block.splitlines() if "curl" in line]
    for block in re.findall(r"^```sh\n(.*?)^```$", README.read_text(), flags=re.MULTILINE | re.DOTALL)
    for name in re.findall(r"uvicorn (\w+):app", block)
}


def typed(line, app):
    """The output of a line, typed while the app runs."""
    line = line.replace("localhost:8000", app.url)
    shell = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    return shell.stdout


def test_every_app_is_shown():
    apps = {path.stem for path in README.parent.glob("*.py")} - {"flowers"}
    assert set(BLOCKS) == apps


def test_memory(serve):
    [line] = BLOCKS["memory"]
    assert re.findall(r"^.*(\d{3})$", typed(line, serve("memory")), flags=re.MULTILINE) == ["200"] * 10 + ["429"]


def test_redis(serve, arrange):
    app = serve("redis_limits", SLUICEGATE_STORE__URL=arrange("redis").url, SLUICEGATE_STORE__TIMEOUT="1s")
    printed = [re.findall(r"^.*(\d{3})$", typed(line, app), flags=re.MULTILINE) for line in BLOCKS["redis_limits"]]
    assert printed == [["200"] * 20 + ["429"], ["200"] * 5 + ["429"]]


@pytest.mark.parametrize("name", ["tiers", "embeddings"])
def test_a_line_is_answered_as_the_text_below_it_says(serve, name):
    app = serve(name)
    below = README.read_text().split(f"uvicorn {name}:app")[1].split("```")[1].split("##")[0]
    told = re.findall(r"\b([245]0\d)\b", below) or ["200"]
    lines = [line for line in BLOCKS[name] if " -i " in line]
    assert len(told) == len(lines)
    for line, status in zip(lines, told):
        assert typed(line, app).split()[1] == status, line


def test_blocks_of_commands_have_no_comments():
    """An interactive zsh, which is macOS's shell, takes them for arguments."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert not any("#" in block for block in blocks)
