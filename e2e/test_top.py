"""`sluicegate top` in a terminal of 80 columns and 24 lines, before a gateway with traffic."""

import re

import pytest

from gateway import binary, run
from terminal import Terminal

POLICY = """
[[route]]
path = "/ok"
limits = [{ name = "three", quota = "3/hour" }]
"""
TOKEN = "a-token-of-the-tests"


@pytest.fixture
def gateway(start, raw_server):
    return start(POLICY, upstream=raw_server.url)


@pytest.fixture
def top():
    """Runs `sluicegate top` before a gateway, looking at it ten times a second."""
    running = []

    def top(gateway, env=None, **size):
        command = [binary(), "top", "--admin", gateway.admin_url, "--interval", "100ms"]
        running.append(Terminal(command, env, **size))
        return running[-1]

    yield top
    for terminal in running:
        terminal.close()


def ask(gateway, times):
    """The statuses of some requests."""
    with gateway.client() as client:
        return [client.get("/ok").status_code for _ in range(times)]


def test_requests_denials_keys_and_upstreams_are_on_the_screen(gateway, top, raw_server):
    assert ask(gateway, 10) == [200] * 3 + [429] * 7

    terminal = top(gateway)

    assert terminal.row("sluicegate", "top")[2] == gateway.admin_url
    terminal.until(lambda screen: "total 10" in screen, "all requests are counted")
    assert terminal.row("store")[1] == "up"
    assert terminal.row("three")[-1] == "7"
    assert terminal.row(raw_server.url)[1] == "up"
    [key] = [line.split() for line in terminal.lines() if re.match("[0-9a-f]{16} ", line)]
    assert key[1] == "three" and key[3] == "7"
    assert key[0] in gateway.logged()


def test_rates_follow_the_traffic(gateway, top):
    terminal = top(gateway)
    terminal.until(lambda screen: "requests 0/s" in screen, "it is idle")

    def busy(_):
        ask(gateway, 3)
        return re.search(r"denied [1-9]\d*/s \(\d+%\)", "\n".join(terminal.lines()))

    terminal.until(busy, "denials are shown per second")
    terminal.until(lambda screen: "requests 0/s" in screen, "it is idle again")


def test_a_gateway_that_goes_away_and_comes_back_is_followed(gateway, top):
    terminal = top(gateway)
    terminal.until(lambda screen: "requests 0/s" in screen, "it is there")

    gateway.stop()
    terminal.until(lambda screen: "no news for" in screen and "/ok" in screen, "it is away, and its last state stays")
    gateway.start()
    terminal.until(lambda screen: "no news for" not in screen and "requests 0/s" in screen, "it is back")


def test_it_can_be_started_before_the_gateway(gateway, top):
    gateway.stop()
    terminal = top(gateway)
    terminal.until(lambda screen: "Connection refused" in screen, "nothing is there")
    gateway.start()
    terminal.until(lambda screen: "/ok" in screen, "it is there")


def test_keys_need_the_token_and_nothing_else_does(start, raw_server, top):
    gateway = start(POLICY, upstream=raw_server.url, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": TOKEN})
    assert 429 in ask(gateway, 4)

    without = top(gateway)
    without.until(lambda screen: "set SLUICEGATE_GATEWAY__ADMIN_TOKEN" in screen, "the token is asked for")
    assert without.row("three")[-1] == "1"
    wrong = top(gateway, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": "another"})
    wrong.until(lambda screen: "the token is not the gateway's" in screen, "the token is wrong")
    known = top(gateway, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": TOKEN})
    known.until(lambda screen: re.search("^[0-9a-f]{16} +three", screen, re.MULTILINE), "the key is shown")


def test_keys_sort_pause_and_explain(gateway, top):
    terminal = top(gateway)
    terminal.until(lambda screen: "sort: denials" in screen, "it begins with denials")
    terminal.type("s")
    terminal.until(lambda screen: "sort: requests" in screen, "s sorts")
    terminal.type("?")
    terminal.until(lambda screen: "pause, and continue" in screen, "? explains")
    terminal.type("?p")
    terminal.until(lambda screen: "PAUSED" in screen, "p pauses")
    before = terminal.lines()
    ask(gateway, 5)
    terminal.type("p")
    terminal.until(lambda screen: "PAUSED" not in screen and "total 5" in screen, "p continues")
    assert not any("total 5" in line for line in before)


@pytest.mark.parametrize("keys", ["q", "\x1b", "\x03"], ids=["q", "escape", "control-c"])
def test_leaving_restores_the_terminal(gateway, top, keys):
    terminal = top(gateway)
    terminal.until(lambda screen: "requests 0/s" in screen, "it is there")
    assert not terminal.is_restored()

    terminal.type(keys)

    assert terminal.exit_code() == 0
    assert terminal.is_restored()
    assert terminal.output.endswith(b"\x1b[?25h\x1b[?1049l"), "the cursor is shown, and the screen is as before"


def test_a_signal_restores_the_terminal(gateway, top):
    terminal = top(gateway)
    terminal.until(lambda screen: "requests 0/s" in screen, "it is there")
    terminal.process.terminate()
    assert terminal.exit_code() == 0
    assert terminal.is_restored()


COLOURS = re.compile(rb"\x1b\[[0-9;]*(?:3[0-7]|38;|9[0-7])[0-9;]*m")


def test_colours_are_used_unless_no_color_is_set(gateway, top):
    coloured, plain = top(gateway), top(gateway, env={"NO_COLOR": "1"})

    def denied(terminal):
        def shows(_):
            ask(gateway, 2)
            return re.search(r"denied [1-9]", "\n".join(terminal.lines()))

        terminal.until(shows, "denials are shown")

    denied(coloured)
    denied(plain)
    assert COLOURS.search(coloured.output)
    assert not COLOURS.search(plain.output)


def test_a_small_terminal_and_a_new_size_are_drawn_on(gateway, top):
    terminal = top(gateway, columns=30, lines=5)
    terminal.until(lambda screen: "requests" in screen, "it fits in")
    terminal.resize(100, 30)
    terminal.until(lambda screen: "UPSTREAM" in screen and "? help" in screen, "it uses the room")


def test_one_look_prints_plain_text(gateway):
    assert 429 in ask(gateway, 5)

    looked = run("top", "--once", "--admin", gateway.admin_url, "--interval", "100ms")

    assert looked.returncode == 0, looked.stderr
    assert "requests 0/s" in looked.stdout and "total 5" in looked.stdout
    assert re.search("^three +0 +0 +0 +2$", looked.stdout, re.MULTILINE), looked.stdout
    assert "\x1b" not in looked.stdout


def test_one_look_at_what_is_no_admin_port_says_so(gateway):
    looked = run("top", "--once", "--admin", gateway.url)

    assert looked.returncode == 1
    assert "does not serve Sluicegate's metrics" in looked.stderr and "gateway.admin" in looked.stderr
