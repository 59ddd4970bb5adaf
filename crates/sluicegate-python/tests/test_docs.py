"""The examples in the documentation for Python users, run as they stand there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "python.md",
    ROOT / "docs" / "browsers.md",
    ROOT / "crates" / "sluicegate-python" / "README.md",
    ROOT / "examples" / "fastapi" / "README.md",
]


def sections():
    """Each section of each page that has Python in it, with its blocks in their order."""
    for page in PAGES:
        for section in re.split(r"^(?=## )", page.read_text(), flags=re.MULTILINE):
            blocks = re.findall(r"^```(python|toml)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
            if any(language == "python" for language, _ in blocks):
                title = section.splitlines()[0].strip("# ")
                yield pytest.param(blocks, id=f"{page.relative_to(ROOT)}: {title}")


def run(blocks):
    """Runs the blocks of one section one after the other, as somebody who reads on would, and gives the names they made."""
    names = {"__name__": "docs"}
    for language, text in blocks:
        if language == "toml":
            Path("sluicegate.toml").write_text(text)
        else:
            exec(compile(text, "docs", "exec"), names)
    return names


def section(title):
    """The names of one section of the guide."""
    [blocks] = [param.values[0] for param in sections() if param.id == f"docs/python.md: {title}"]
    return run(blocks)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLUICEGATE_STORE__URL", raising=False)


@pytest.fixture
def ask():
    """Asks the app of a section: `ask(app).post("/predict")`."""
    asked = []

    def ask(app, **options):
        client = TestClient(app, **options)
        asked.append(client)
        return client

    yield ask
    for client in asked:
        client.close()


@pytest.mark.parametrize("blocks", list(sections()))
def test_every_block_runs(blocks):
    if any("@pytest.fixture" in text for _, text in blocks):
        pytest.skip("pytest runs it, in a test of its own")
    names = run(blocks)

    for name, value in list(names.items()):
        if name.startswith("test_"):
            value()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert "://" in target or file.exists(), target
        assert not anchor or anchor in anchors(file), target


DROP_INS = sorted(
    {
        line
        for page in [*PAGES, ROOT / "docs" / "migrating.md"]
        for line in re.findall(r"\bfrom sluicegate\.(?:slowapi|fastapi_limiter)\b[\w.]* import \w+(?:, \w+)*", page.read_text())
    }
)


@pytest.mark.parametrize("line", DROP_INS)
def test_the_drop_ins_have_the_names_that_are_imported_from_them(line):
    exec(line, {})


def anchors(page):
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_recipe_for_pytest_runs():
    [blocks] = [param.values[0] for param in sections() if param.id == "docs/python.md: Tests"]
    Path("test_recipe.py").write_text("\n".join(text for _, text in blocks))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_recipe.py"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (outcome.returncode, "4 passed" in outcome.stdout) == (0, True), outcome.stdout


def test_five_lines_limit(ask):
    client = ask(section("Five lines")["app"])

    assert [client.post("/predict").status_code for _ in range(11)] == [200] * 10 + [429]


def test_a_named_limit_of_a_router_is_one_account(ask):
    client = ask(section("Where a limit is placed")["app"])

    for _ in range(50):
        client.get("/v1/models")
    left = re.search(r'"v1";r=(\d+)', client.post("/v1/predict").headers["ratelimit"])
    # On an account of its own, 99 would be left.
    assert int(left[1]) < 90


def test_costs_are_taken_and_settled(ask):
    client = ask(section("What a request costs")["app"])

    assert [client.post("/heavy").status_code for _ in range(5)] == [200] * 4 + [429]
    assert client.post("/embed", json={"inputs": ["a"] * 900}).status_code == 200
    assert client.post("/embed", json={"inputs": ["a"] * 900}).status_code == 429
    # 8 kB are 2000 tokens by the estimate, and two in truth.
    assert [client.post("/chat", json={"prompt": "a" * 8000}).status_code for _ in range(20)] == [200] * 20
    assert [client.get("/stream").status_code for _ in range(20)] == [200] * 20
    assert [client.get("/sync-stream").text for _ in range(20)] == ["onetwothree"] * 20


def test_tiers_differ(ask):
    client = ask(section("Tiers and exemptions")["app"])

    assert client.post("/premium").json()["detail"] == "Premium access required"
    assert client.post("/premium", headers={"x-user-tier": "premium"}).status_code == 200
    assert "q=100;" in client.post("/predict", headers={"x-user-tier": "premium"}).headers["ratelimit-policy"]


def test_a_stream_gives_its_slot_back(ask):
    client = ask(section("Requests in flight")["app"])

    assert [client.get("/stream").text for _ in range(5)] == ["onetwothree"] * 5


def test_each_message_of_a_websocket_is_limited(ask):
    client = ask(section("WebSockets")["app"])

    with client.websocket_connect("/chat") as chat:
        answers = []
        for _ in range(30):
            chat.send_text("hello")
            answers.append(chat.receive_text())
    assert answers[:20] == ["hello"] * 20
    assert 0 < json.loads(next(answer for answer in answers if answer != "hello"))["wait"] <= 3


def test_another_answer_has_the_same_headers(ask):
    client = ask(section("What a client sees")["app"])

    client.get("/predict")
    denied = client.get("/predict")
    assert denied.status_code == 429
    assert 0 < denied.json()["wait"] <= 60
    assert 50 < int(denied.headers["retry-after"]) <= 60


def test_the_policy_file_limits_the_app(ask):
    names = section("A policy file before the app")
    client = ask(names["app"])

    assert [client.post("/predict").status_code for _ in range(11)] == [200] * 10 + [429]
    assert {client.get("/health").status_code for _ in range(50)} == {200}
    assert "q=1000;" in client.get("/docs").headers["ratelimit-policy"]
    assert "q=10;" in ask(names["limited"]).get("/").headers["ratelimit-policy"]


def test_an_app_starts_though_its_store_is_silent(ask):
    names = section("While the store does not answer")

    with ask(names["app"]) as client:
        assert client.get("/openapi.json").status_code == 200


def test_limits_grow_when_the_app_has_warmed_up(ask):
    names = section("Warm-up")
    assert names["limiter"].warming_up == "/health"

    with ask(names["app"]):
        assert names["limiter"].warming_up is None


def test_metrics_are_served(ask):
    client = ask(section("Metrics and logs")["app"])

    assert "sluicegate_requests_total" in client.get("/metrics").text
