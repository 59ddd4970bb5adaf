"""The demo: the commands that it prints do what it says beside them."""

import os
import re
import shlex
import signal
import subprocess

import pytest

from server import PATIENCE, until


@pytest.fixture
def demo(tmp_path):
    log = tmp_path / "demo.log"
    with open(log, "wb") as output:
        demo = subprocess.Popen(
            [os.environ["DEMO_BIN"]], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=tmp_path
        )
    try:
        until(lambda: "The models are trained" in log.read_text() or demo.poll() is not None, "the models are trained")
        yield log.read_text()
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(PATIENCE) == 0, log.read_text()


def test_each_printed_command_is_answered_as_the_line_above_it_says(demo):
    # What is pasted, in one shell; each comment is echoed, so that the answers below it are known by it.
    pasted = demo.split("Paste into another terminal")[1].partition("\n\n")[2].partition("\nCtrl-C")[0]
    script = re.sub(r"^  # (.+)$", lambda line: f"echo {shlex.quote('# ' + line[1])}", pasted, flags=re.MULTILINE)
    shell = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=PATIENCE)
    assert shell.returncode == 0, (script, shell.stdout, shell.stderr)

    answers = re.split(r"^# (.+)\n", shell.stdout, flags=re.MULTILINE)[1:]
    assert len(answers) >= 10, shell.stdout
    for says, answer in zip(answers[::2], answers[1::2]):
        promised = re.findall(r"\b([2-5]\d\d)\b", says)
        assert re.findall(r"^HTTP/1.1 (\d+)", answer, re.MULTILINE) == promised, (says, answer)
        assert answer.strip(), says
