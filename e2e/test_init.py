"""`sluicegate init` at a terminal, and the policy that it writes at work."""

import os
import pty
import subprocess

import openai
import pytest

from gateway import binary, run
from server import TIMEOUT


def at_a_terminal(folder, answers, *arguments):
    """Runs the command on a terminal of its own, and types the answers: its exit code, and what the screen shows."""
    ours, theirs = pty.openpty()
    command = [binary(), "init", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder)
    os.close(theirs)
    os.write(ours, answers.encode())
    screen = b""
    while True:
        try:
            shown = os.read(ours, 65536)
        except OSError:  # Linux's way to say that nobody has the other end any more
            break
        if not shown:
            break
        screen += shown
    os.close(ours)
    return process.wait(TIMEOUT), screen.decode()


def test_three_answers_make_a_policy(tmp_path):
    code, screen = at_a_terminal(tmp_path, "ollama\nhttp://gpu-1:11434\n5/minute; 900 tokens/minute\n")

    assert code == 0, screen
    assert "llama.cpp's server" in screen  # one of the choices
    assert "Its address [http://127.0.0.1:11434]:" in screen
    assert "The quotas of each client [20/minute, 20000 tokens/minute]:" in screen
    policy = (tmp_path / "sluicegate.toml").read_text()
    assert 'upstream = "http://gpu-1:11434"' in policy
    assert 'quota = "5/minute"' in policy and 'quota = "900 tokens/minute"' in policy
    assert run("check", "--strict", folder=tmp_path).returncode == 0


def test_an_empty_answer_keeps_the_default_and_a_wrong_one_is_asked_for_again(tmp_path):
    code, screen = at_a_terminal(tmp_path, "vlm\nvllm\ngpu\n\n5/minit\n5 items/minute\n\n")

    assert code == 0, screen
    for error in ("`vlm` is none of them", "an upstream is a URL with a scheme", "minit", "limit the items"):
        assert error in screen
    assert run("init", "--for", "vllm", "--output", "-").stdout == (tmp_path / "sluicegate.toml").read_text()


def test_who_goes_away_gets_no_file(tmp_path):
    code, screen = at_a_terminal(tmp_path, "vllm\n\x04")

    assert code == 1, screen
    assert list(tmp_path.iterdir()) == []


def test_the_first_policy_counts_the_tokens_of_a_chat(start, mock_model):
    policy = run("init", "--for", "openai", "--quota", "2/hour", "--output", "-").stdout
    gateway = start(policy, upstream=mock_model.url)
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)

    for _ in range(2):
        answer = client.chat.completions.create(
            model="mock", messages=[{"role": "user", "content": "hi"}], max_tokens=20
        )
        assert answer.usage.completion_tokens > 0
    with pytest.raises(openai.RateLimitError, match="the limit requests"):
        client.chat.completions.create(model="mock", messages=[{"role": "user", "content": "hi"}])
    assert gateway.labelled("sluicegate_tokens_total", 'source="reported"') > 0
