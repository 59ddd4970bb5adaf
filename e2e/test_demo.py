"""The demo: the commands that it prints do what it says beside them."""

import os
import re
import signal
import subprocess

import pytest

from devtools import Tab
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


def test_each_button_of_the_page_shows_what_is_said_beside_it(demo, tmp_path):
    until(lambda: "The models are trained" in demo.printed(), "the models are trained", timeout=10 * TIMEOUT)
    tab = Tab(tmp_path, re.search(r"gateway  (http://\S+)", demo.printed()).group(1))
    try:
        steps = tab.run("[...document.querySelectorAll('section')].map(step => step.querySelector('p').textContent)")
        assert len(steps) == 7
        for number, says in enumerate(steps[:-1]):
            section = f"document.querySelectorAll('section')[{number}]"
            tab.run(f"{section}.querySelector('button').click()")
            until(lambda: not tab.run(f"{section}.querySelector('button').disabled"), f"all of {says} is sent")
            answers = tab.run(f"[...{section}.querySelectorAll('.answers pre')].map(answer => answer.innerText)")
            promised = re.findall(r"\b([2-5]\d\d)\b", says)
            whole = [answer.split("\n", 1)[0].strip() for answer in answers if "×" not in answer]
            assert whole == promised, (says, answers)
            assert len(answers) >= 1, says
        counted = tab.run("[...document.querySelectorAll('section')[3].querySelectorAll('.answers pre')].map(answer => answer.innerText)")
        free, premium = (int(re.match(r"200 × (\d+)\s+429 × \d+", answer).group(1)) for answer in counted)
        assert 0 < free < premium
        assert tab.run("document.querySelectorAll('section')[6].querySelector('a').href").endswith("/metrics")
    finally:
        tab.close()


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
