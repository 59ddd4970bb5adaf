"""The demo: the commands that it prints do what it says beside them."""

import os
import re
import signal
import subprocess

import pytest

from server import TIMEOUT, until
from shells import SHELLS, paste


class Running:
    """The demo in a process of its own."""

    def __init__(self, folder, *arguments):
        self.log = folder / "demo.log"
        with open(self.log, "wb") as output:
            command = [os.environ["DEMO_BIN"], *arguments]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder
            )

    def printed(self):
        return self.log.read_text()

    def stops(self, number):
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)


@pytest.fixture
def demo(tmp_path):
    demo = Running(tmp_path)
    try:
        # All of the guide, and that its signals are heard.
        until(lambda: "Ctrl-C" in demo.printed() or demo.process.poll() is not None, "the guide is printed")
        yield demo
    finally:
        if demo.process.poll() is None:
            assert demo.stops(signal.SIGINT) == 0, demo.printed()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_printed_command_is_answered_as_the_line_above_it_says(demo, shell):
    until(lambda: "The models are trained" in demo.printed(), "the models are trained", timeout=10 * TIMEOUT)
    # What is pasted, as it is printed.
    script = demo.printed().split("Paste into another terminal")[1].partition("\n\n")[2].partition("\n\nA quota gives")[0]
    printed = paste(shell, script + "\n", env=os.environ)

    answers = re.split(r"^# (.+)\n", printed, flags=re.MULTILINE)[1:]
    assert len(answers) >= 14, printed
    for says, answer in zip(answers[::2], answers[1::2]):
        promised = re.findall(r"\b([2-5]\d\d)\b", says)
        assert re.findall(r"^HTTP/1.1 (\d+)", answer, re.MULTILINE) == promised, (says, answer)
        assert answer.strip(), says


def test_nothing_in_the_guide_needs_a_new_curl(demo):
    assert "--json" not in demo.printed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_drains_and_ends_well_when_it_is_told_to_stop(demo, number):
    assert demo.stops(number) == 0
    assert "Draining" in demo.printed()


@pytest.mark.parametrize(
    "mistake, told",
    [
        ("[[route]]\npath = '/p'\nlimits = ['10/minit']", "demo.toml:3:15: unknown period `minit`"),
        ("[store]\nmax_keys = 'many'", "demo.toml:2:12: `store.max_keys` must be a whole number"),
        ("[[route]", "demo.toml:1:"),
        (None, "demo.toml: cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_in_its_file_is_told_as_check_tells_it(tmp_path, mistake, told):
    if mistake is not None:
        (tmp_path / "demo.toml").write_text(mistake)
    demo = Running(tmp_path, "demo.toml")
    assert demo.process.wait(TIMEOUT) == 1
    assert demo.printed().startswith(told), demo.printed()
    assert "Diagnostic" not in demo.printed()
