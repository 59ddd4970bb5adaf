"""The dashboard in a real browser, before a gateway under load."""

import itertools
import re
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from browser import Browser
from dashboard import Page
from load import Load
from process import Process
from server import until

TOKEN = "a-token-of-the-tests"
POLICY = """
[gateway]
log_keys = "plain"

[[route]]
path   = "/ok"
limits = [
  { name = "minute", quota = "20/minute", key = "header:x-team" },
  { name = "trial", quota = "5/minute", key = "global", mode = "shadow" },
]

[[route]]
path   = "/items/{item}"
limits = [{ name = "item", quota = "1/day", key = ["path:item", "header:x-user", "query:q"] }]
"""
CHAT = """
[[route]]
path   = "/v1/chat/completions"
meter  = "openai"
limits = [{ name = "tpm", quota = "100000 tokens/minute", key = "global" }]
"""
MANY = "\n".join(
    f"""
[[route]]
path   = "/r{number}"
limits = [{{ name = "limit-{number}", quota = "1/day", key = "header:x-tenant" }}]
"""
    for number in range(200)
) + """
[[route]]
path   = "/shadow"
limits = [{ name = "shadow", quota = "1/day", mode = "shadow" }]
"""
# With as many limits as routes.
SERIES = "\n".join(f"[[route]]\npath = \"/r{number}\"\nlimits = [\"1000000/day\"]" for number in range(500))
TENANTS = itertools.count()
# Beside the virtual environment, where CI finds them.
PICTURES = Path(sys.prefix).parents[1] / "pictures"


@pytest.fixture
def show(tmp_path):
    """Shows a gateway's dashboard: `page = show(gateway)`."""
    pages = []

    def show(gateway, is_open=True):
        folder = tmp_path / f"browser-{len(pages)}"
        folder.mkdir()
        page = Page(folder, gateway)
        pages.append(page)
        if is_open:
            until(page.is_live, "the dashboard is live")
        return page

    yield show
    for page in pages:
        page.tab.close()


def number(text):
    return int(text.replace(",", ""))


def test_its_numbers_are_those_of_the_metrics(start, show, raw_server):
    gateway = start(POLICY, upstream=raw_server.url)
    page = show(gateway)
    with Load([gateway], ["/ok", "/items/1", "/ok"], clients=2) as load:
        until(lambda: len(load.answers) > 600, "there was some load")
    decided = gateway.labelled("sluicegate_decisions_total", 'limit="minute",decision="deny"')
    assert decided > 0 and load.codes("/ok")[429] == decided

    def told():
        routes, limits = page.rows("routes"), page.rows("limits")
        return (
            {name: number(routes[name][-1]) for name in ["/ok", "/items/{item}"]},
            {name: number(limits[name][-1]) for name in ["minute", "item"]},
            number(limits["trial shadow"][-1]),
        )

    def counted():
        requests = {name: gateway.labelled("sluicegate_requests_total", f'route="{name}"') for name in ["/ok", "/items/{item}"]}
        denied = {
            name: gateway.labelled("sluicegate_decisions_total", f'limit="{name}",decision="deny"') for name in ["minute", "item"]
        }
        return requests, denied, gateway.labelled("sluicegate_shadow_denials_total", 'limit="trial"')

    until(lambda: told() == counted(), f"{told()} is {counted()}")
    # The chart has all of it, and the use of a limit is above the whole.
    state = httpx.get(f"{gateway.admin_url}/dashboard/state").json()
    assert sum(map(sum, state["routes"]["/ok"]["values"])) == counted()[0]["/ok"]
    assert number(page.rows("limits")["minute"][0].rstrip("%")) > 100
    key = "minute|client_ip=127.0.0.1"
    assert number(page.rows("most-denied")[key][0]) == decided
    assert number(page.rows("most-spent")[key][0]) == load.codes("/ok")[200]
    assert "1 request asked, 0 left of" in page.text("#recent")
    assert number(page.rows("limits")["trial shadow"][0].rstrip("%")) > 100, "a limit in shadow mode, too"
    assert page.complaints() == []


def test_tokens_are_shown_as_they_are_reserved_charged_and_refunded(start, show, mock_model):
    gateway = start(CHAT, upstream=mock_model.url)
    page = show(gateway)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 300}
    with gateway.client() as client:
        for _ in range(5):
            assert client.post("/v1/chat/completions", json=body).status_code == 200
    reserved = gateway.labelled("sluicegate_reserved_tokens_total", "route=")
    charged = gateway.labelled("sluicegate_charged_tokens_total", "route=")
    refunded = gateway.labelled("sluicegate_refunded_tokens_total", "route=")
    assert charged == gateway.labelled("sluicegate_tokens_total", "route=") > 0, "no class has another weight"
    assert reserved == charged + refunded
    until(
        lambda: [number(text) for text in page.rows("tokens")["/v1/chat/completions"][1:4]] == [reserved, charged, refunded],
        "the page has the numbers",
    )


def test_whatever_clients_send_is_text(start, show, raw_server):
    gateway = start(POLICY, upstream=raw_server.url)
    page = show(gateway)
    attack = "<img src=x onerror=hacked=1><script>hacked=1</script>"
    with gateway.client() as client:
        for name in [attack, "';hacked=1;//", "{{7*7}}", "\u202e", "x" * 1_000]:
            for _ in range(2):
                # Paths with these are refused.
                item = quote(re.sub("[/;]", "", name), safe="")
                client.get(f"/items/{item}", headers={"x-user": name.encode()}, params={"q": name})
    until(lambda: page.tab.run("document.querySelectorAll('#recent tbody tr').length") == 5, "the denials are shown")
    shown = page.text("#most-denied") + page.text("#recent")
    assert "onerror" in shown and "hacked=1" in shown
    assert page.tab.run("[typeof hacked, document.querySelectorAll('img, script:not([src]), iframe').length]") == ["undefined", 0]
    assert page.complaints() == []


def test_the_browser_keeps_the_page_to_its_own_scripts_and_its_own_origin(start, show, raw_server):
    gateway = start(POLICY, upstream=raw_server.url)
    page = show(gateway)
    assert page.complaints() == []
    tried = page.tab.run(f"""(async () => {{
        const errors = [];
        const attempt = async (what) => {{ try {{ await what(); errors.push("done"); }} catch (error) {{ errors.push(error.name); }} }};
        await attempt(() => {{ document.body.innerHTML = "<b>x</b>"; }});
        await attempt(() => document.body.append(Object.assign(document.createElement("script"), {{ textContent: "hacked = 1" }})));
        await attempt(() => fetch("{gateway.url}/ok"));
        const style = document.createElement("p");
        style.setAttribute("style", "color: red");
        return [...errors, typeof hacked, style.style.color];
    }})()""")
    assert tried == ["TypeError", "TypeError", "TypeError", "undefined", ""]


def test_it_is_right_again_after_the_gateway_was_away(start, show, raw_server):
    gateway = start(POLICY, upstream=raw_server.url)
    page = show(gateway)
    with gateway.client() as client:
        for _ in range(7):
            client.get("/ok")
    until(lambda: page.rows("routes")["/ok"][-1] == "7", "the page has counted")

    gateway.kill()
    until(lambda: "No connection" in page.text("#status"), "the page says so")
    assert page.rows("routes")["/ok"][-1] == "7", "the last numbers stay"
    gateway.start()
    until(page.is_live, "the page is live again")
    until(lambda: page.rows("routes")["/ok"][-1] == "0", "a gateway that restarts counts anew")
    with gateway.client() as client:
        client.get("/ok")
    until(lambda: page.rows("routes")["/ok"][-1] == "1", "the page follows")
    assert page.complaints() == []


def test_an_account_is_reset_with_the_token(start, show, raw_server):
    gateway = start(POLICY, upstream=raw_server.url, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": TOKEN})
    page = show(gateway, is_open=False)
    until(lambda: "gateway.admin_token" in page.text("#access"), "the page asks for the token")
    assert page.tab.run("document.getElementById('dashboard').hidden")
    page.sign_in("wrong")
    until(lambda: "This is not the gateway.admin_token" in page.text("#access"), "the token is wrong")
    page.sign_in(TOKEN)
    until(page.is_live, "the dashboard is live")

    with gateway.client() as client:
        assert [client.get("/items/9").status_code for _ in range(2)] == [200, 429]
        until(lambda: page.rows("most-denied"), "the caller is shown")
        page.click("#most-denied button.key")
        until(lambda: page.text("#reset") == "Reset 1 account", "its account is found")
        page.click("#reset")
        until(lambda: "as if they had never been used" in page.text("#accounts-told"), "it is reset")
        assert client.get("/items/9").status_code == 200
    assert "reset an account" in gateway.logged()
    assert TOKEN not in gateway.logged()


def test_without_a_token_the_page_only_looks(start, show, raw_server):
    gateway = start(POLICY, upstream=raw_server.url)
    page = show(gateway)
    with gateway.client() as client:
        assert [client.get("/items/9").status_code for _ in range(2)] == [200, 429]
    page.fill("#key", "client_ip=127.0.0.1")
    page.click("#look-up button")
    until(lambda: "set gateway.admin_token" in page.text("#accounts-told"), "the page says what is missing")
    assert page.tab.run("document.getElementById('reset').hidden")
    status = page.tab.run("fetch('/limits?key=client_ip%3D127.0.0.1', { method: 'DELETE' }).then(({ status }) => status)")
    assert status == 403, "even a script in the page"


def test_a_page_of_another_site_resets_nothing(start, tmp_path, raw_server):
    gateway = start(POLICY, upstream=raw_server.url, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": TOKEN})
    with gateway.client() as client:
        assert [client.get("/items/9").status_code for _ in range(2)] == [200, 429]
        browser = Browser(tmp_path)
        key = quote("path:item=9|client_ip=127.0.0.1|client_ip=127.0.0.1", safe="")
        url = f"{gateway.admin_url}/limits?key={key}"
        knows = f'{{ method: "DELETE", headers: {{ authorization: "Bearer {TOKEN}" }} }}'
        try:
            tried = browser.run(f"""return [
                await attempt("{url}", {knows}),
                await attempt("{url}", {{ method: "DELETE", mode: "no-cors" }}),
                await attempt("{gateway.admin_url}/dashboard/state"),
            ];""")
        finally:
            browser.stop()
        assert tried == [{"error": "TypeError"}] * 3
        assert client.get("/items/9").status_code == 429
        # A program that sends the same resets it.
        assert httpx.delete(url, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/items/9").status_code == 200


def test_it_is_used_by_keyboard_alone(start, show, raw_server):
    gateway = start(POLICY, upstream=raw_server.url)
    page = show(gateway)
    with gateway.client() as client:
        for _ in range(3):
            client.get("/ok")
    until(lambda: page.rows("routes")["/ok"][-1] == "3", "the page has counted")
    focused = "document.activeElement.id || document.activeElement.value || document.activeElement.className"

    page.tab.press("Tab")
    assert page.tab.run(focused) == "10m"
    page.tab.press("ArrowRight")
    until(lambda: page.is_live() and page.tab.run("document.querySelector('input[name=range]:checked').value") == "1h", "the range is another")
    page.tab.press("Tab")
    assert page.tab.run(focused) == "plot"
    page.tab.press("ArrowLeft")
    until(lambda: "/s allowed" in page.text("#traffic .told"), "a moment's numbers are told")
    for _ in range(20):
        page.tab.press("Tab")
        if page.tab.run("document.activeElement.id") == "key":
            break
    page.tab.call("Input.insertText", text="client_ip=127.0.0.1")
    page.tab.press("Enter", text="\r")
    until(lambda: "1 account of client_ip=127.0.0.1" in page.text("#accounts-told"), "the account is found")


@pytest.mark.parametrize(
    "name, width, scheme", [("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light"), ("phone-dark", 390, "dark")]
)
def test_everyone_can_read_it(start, show, raw_server, name, width, scheme):
    gateway = start(POLICY, upstream=raw_server.url, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": TOKEN})
    page = show(gateway, is_open=False)
    page.tab.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    page.tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    until(lambda: page.text("#access"), "the page asks for the token")
    assert page.violations() == []
    page.sign_in(TOKEN)
    until(page.is_live, "the dashboard is live")
    with Load([gateway], ["/ok", "/items/1"], clients=1) as load:
        until(lambda: len(load.answers) > 200, "there was some load")
    until(lambda: page.rows("most-spent") and page.rows("recent"), "the page shows it")
    page.fill("#key", "client_ip=127.0.0.1")
    page.click("#look-up button")
    until(lambda: not page.tab.run("document.getElementById('reset').hidden"), "accounts are shown")
    PICTURES.mkdir(exist_ok=True)
    page.tab.picture(PICTURES / f"dashboard-{name}.png")
    assert page.violations() == []
    assert page.tab.run("document.documentElement.scrollWidth") <= width, "nothing is beside the page"


def test_200_routes_and_10_000_tenants_stay_usable(start, show, mock_model):
    gateway = start(MANY, upstream=mock_model.url)
    ask_each_once(gateway, [f"/r{number % 200}" for number in range(10_000)])
    page = show(gateway)
    for table in ["routes", "limits"]:
        page.click(f"#{table} button.more")
    until(lambda: len(page.rows("routes")) > 200 and len(page.rows("limits")) > 200, "all are shown")
    state = httpx.get(f"{gateway.admin_url}/dashboard/state").json()
    assert sum(totals[0] for totals in (route["totals"] for route in state["routes"].values())) == 10_000
    assert len(state["accounts"]["most_spent"]) <= 50, "however many tenants there are"

    # In the time of the browser's own thread, whatever else runs on this machine.
    page.tab.call("Performance.enable", timeDomain="threadTicks")
    page.tab.run("""(() => {
        updates = 0;
        new MutationObserver(() => { updates += 1; }).observe(document.getElementById("recent").closest("main"), { subtree: true, childList: true });
    })()""")
    keep_asking(gateway, 3)
    before, first = page.measures(), page.tab.run("updates")
    keep_asking(gateway, 10)
    after, updates = page.measures(), page.tab.run("updates") - first
    assert updates >= 5
    # Rows of callers come and go, and the browser may forget the last ones a little later.
    assert after["Nodes"] < before["Nodes"] + 200
    assert after["JSHeapUsedSize"] < before["JSHeapUsedSize"] + 2**20
    # The targets are 16 ms of script and 300 ms, on a machine that does nothing else.
    script = (after["ScriptDuration"] - before["ScriptDuration"]) / updates
    paint = min(page.first_paint() for _ in range(3))
    PICTURES.mkdir(exist_ok=True)
    figures = f"script per update: {script * 1000:.1f} ms\nfirst paint: {paint:.0f} ms\n"
    (PICTURES / "dashboard-times.txt").write_text(figures)


def test_to_be_watched_takes_little_memory(start, raw_server):
    gateway = start(SERIES, upstream=raw_server.url)
    ask_each_once(gateway, [f"/r{number}" for number in range(500)] * 4)
    process = Process(gateway)
    before = process.rss_at_rest()
    with httpx.stream("GET", f"{gateway.admin_url}/dashboard/state", headers={"accept": "text/event-stream"}) as events:
        sizes = [len(line) for line in itertools.islice(events.iter_lines(), 12) if line.startswith("data: ")]
        grown = process.rss() - before
    assert sizes[0] > 500_000 > sizes[1], "the first event has all series"
    print(f"{grown / 2**20:.1f} MiB")
    assert grown < 6 * 2**20


def test_ten_hours_leave_the_page_as_large_as_before(start, show, raw_server):
    gateway = start(POLICY, upstream=raw_server.url)
    page = show(gateway)
    sizes = page.tab.run("""(async () => {
        const { State } = await import("/dashboard/series.js");
        const whole = await (await fetch("/dashboard/state")).json();
        const state = new State();
        state.take(whole);
        const route = { totals: [0, 0, 0], values: [[1], [1], [0]] };
        for (let second = 1; second <= 36_000; second += 1) {
            const time = whole.time + second;
            const last = Math.floor(time / 5);
            route.totals = [second, second, 0];
            if (last > (state.last ?? 0)) route.values = [[1, 1], [1, 1], [0, 0]];
            const recent = [{ number: second, time }];
            state.take({ ...whole, whole: undefined, time, last, routes: { "/ok": route }, limits: {}, tokens: {}, recent_denials: recent });
        }
        const { values } = state.routes.get("/ok");
        return [values.map(({ length }) => length), state.recent.length, state.recent[0].number, state.routes.size, values[0].slice(0, -1)];
    })()""")
    assert sizes[:4] == [[120] * 3, 64, 36_000, 3]
    assert set(sizes[4].values()) == {1}, "each step has what was counted in it"


def keep_asking(gateway, seconds):
    """Lets each series change once a second, for so long."""
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        ask_each_once(gateway, [f"/r{number}" for number in range(200)])
        time.sleep(1)


def ask_each_once(gateway, paths):
    """Asks for each of the paths for a tenant of its own, on a connection that waits for no response."""
    ask = "".join(f"GET {path} HTTP/1.1\r\nhost: a\r\nx-tenant: {next(TENANTS)}\r\n\r\n" for path in paths)
    with socket.create_connection(gateway.address(), timeout=60) as connection:
        sender = threading.Thread(target=connection.sendall, args=[ask.encode()])
        sender.start()
        answers, end = 0, b""
        while answers < len(paths):
            data = end + connection.recv(2**16)
            assert len(data) > len(end), "the gateway closes the connection"
            answers += data.count(b"HTTP/1.1 ")
            end = data[-8:]
        sender.join()
