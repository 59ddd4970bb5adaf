"""Web pages of another origin, in a real browser, through the gateway."""

import re
import sys
from pathlib import Path

import httpx
import pytest

from browser import Browser
from server import Server, free_port

HERE = Path(__file__).parent
GUIDE = HERE.parent.joinpath("docs", "browsers.md").read_text()

LIMITED = """
[[route]]
path   = "/predict"
limits = [{ name = "predict", quota = "2/hour", algorithm = "fixed-window" }]
"""

# What a page sends that makes a browser ask first.
CALL = '{ method: "POST", headers: { "content-type": "application/json", authorization: "Bearer x" }, body: "{}" }'


@pytest.fixture
def browser(tmp_path):
    browser = Browser(tmp_path)
    yield browser
    browser.stop()


@pytest.fixture
def api(tmp_path):
    """Starts an API for pages: `url = api()`, or `api(origin)` with CORSMiddleware."""
    running = []

    def api(*origin):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, HERE / "pages_api.py", port, *origin]
        running.append(Server(command, f"{url}/calls", tmp_path / f"api-{port}.log"))
        return url

    yield api
    for server in running:
        server.stop()


def calls(url):
    return httpx.get(f"{url}/calls").json()


def policy(browser, more=""):
    return f'[cors]\norigins = "{browser.origin}"\n{more}\n{LIMITED}'


def three(gateway):
    """Calls three times, two of which the quota has."""
    call = f'await attempt("{gateway.url}/predict", {CALL})'
    return f"return [{call}, {call}, {call}];"


def test_the_page_of_the_guide_sees_what_it_is_said_to_see(start, browser, api):
    [policy] = re.findall(r"^```toml\n(.*?origins.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)[:1]
    [page] = re.findall(r"^```html\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert "http://localhost:3000" in policy and "https://api.example.com" in page
    upstream = api()
    gateway = start(policy.replace("http://localhost:3000", browser.origin), upstream)

    passed, denied = browser.visit(page.replace("https://api.example.com", gateway.url))

    assert passed["answer"] == {"class": "setosa"}
    assert passed["left"].startswith('"predict"')
    assert 0 < denied["wait"] <= 60
    assert denied["why"].startswith("Too Many Requests")
    assert denied["left"].startswith('"predict";r=0')
    assert calls(upstream) == {"POST /predict": 1}, "the gateway answers preflights itself"


def test_a_page_reads_what_is_denied_and_preflights_spend_nothing(start, browser, api):
    upstream = api(browser.origin)
    gateway = start(policy(browser, 'preflight = "pass"'), upstream)

    first, second, denied = browser.run(three(gateway))

    assert [first["status"], second["status"], denied["status"]] == [200, 200, 429]
    # The upstream exposes its own, and ours come beside them.
    assert first["headers"]["ratelimit"].startswith('"predict";r=1')
    assert "x-request-id" in first["headers"] and "ratelimit-policy" in first["headers"]
    assert denied["headers"]["retry-after"].isdigit()
    assert denied["headers"]["ratelimit"].startswith('"predict";r=0')
    assert "Too Many Requests" in denied["text"]
    assert calls(upstream) == {"OPTIONS /predict": 3, "POST /predict": 2}


def test_preflights_spend_nothing_and_need_no_key_without_a_section_too(start, browser, api):
    upstream = api(browser.origin)
    gateway = start(LIMITED, upstream)

    first, second, denied = browser.run(three(gateway))

    assert [first["status"], second["status"]] == [200, 200]
    assert "ratelimit" not in first["headers"], "the upstream exposes no fields of ours"
    assert denied == {"error": "TypeError"}, "a page cannot read what nobody shares with it"
    assert calls(upstream) == {"OPTIONS /predict": 3, "POST /predict": 2}


def test_cookies_go_along_where_the_policy_says_so(start, browser, api):
    gateway = start(policy(browser, "credentials = true"), api())

    logged_in, me, without = browser.run(f"""
        const credentials = "include";
        return [
            await attempt("{gateway.url}/login", {{ method: "POST", credentials, headers: {{ "x-api-key": "k" }} }}),
            await attempt("{gateway.url}/me", {{ credentials }}),
            await attempt("{gateway.url}/me"),
        ];
    """)

    assert logged_in["status"] == 200
    assert me["text"] == '{"session":"s3cret"}'
    assert without["text"] == '{"session":"nobody"}'


def test_any_page_may_call_without_cookies_where_the_policy_says_any(start, browser, api):
    gateway = start(f'[cors]\norigins = "*"\n{LIMITED}', api())

    call, cookies, denied = browser.run(f"""
        const call = {CALL};
        return [
            await attempt("{gateway.url}/predict", call),
            await attempt("{gateway.url}/predict", {{ ...call, credentials: "include" }}),
            await attempt("{gateway.url}/predict", {{ ...call, method: "PATCH" }}),
        ];
    """)

    assert call["status"] == 200 and "ratelimit" in call["headers"]
    assert cookies == {"error": "TypeError"}
    assert denied["status"] == 405, "PATCH is allowed by us, and unknown to the upstream"


def test_a_page_of_another_origin_cannot_call(start, browser, api):
    upstream = api()
    gateway = start(policy(browser), upstream)

    answers = browser.run(three(gateway), origin=f"http://localhost:{browser.port}")

    assert answers == [{"error": "TypeError"}] * 3
    assert calls(upstream) == {}
