"""The alerts and the dashboard, read by Prometheus itself and by Grafana's own types."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from server import TIMEOUT, Server, free_port, until
from stores import Stores

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "packaging/prometheus/alerts.yaml"
CASES = Path(__file__).with_name("alerts.yaml")
DASHBOARD = ROOT / "packaging/grafana/sluicegate.json"
GENERATOR = ROOT / "packaging/build/dashboard.py"

# Every kind of series: metered tokens, a limit in shadow mode, and a store with servers and chunks.
POLICY = """
[store]
url = "{store}"
chunks = {{ share = 0.1 }}

[[route]]
path = "/v1/chat/completions"
meter = "openai"
limits = ["1000 tokens/minute", {{ name = "tried", quota = "1/minute", mode = "shadow" }}]
"""


class Prometheus(Server):
    """Prometheus, which scrapes one gateway and evaluates the alerts each second."""

    def __init__(self, folder, target):
        self.url = f"http://127.0.0.1:{free_port()}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "sluicegate", "static_configs": [{"targets": [target]}]}],
        }
        file = folder / "prometheus.yaml"
        file.write_text(json.dumps(config))
        command = [
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        super().__init__(command, f"{self.url}/-/ready", folder / "prometheus.log")

    def ask(self, path, **parameters):
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=TIMEOUT)
        return answer.raise_for_status().json()["data"]

    def series(self, selector):
        return self.ask("query", query=selector)["result"]

    def rules(self):
        [group] = self.ask("rules")["groups"]
        return {rule["name"]: rule for rule in group["rules"]}


@pytest.fixture
def redis():
    redis = Stores("redis")
    yield redis
    redis.stop()


@pytest.fixture
def gateway(start, gateway_binary, redis):
    gateway = start(gateway_binary, POLICY.format(store=redis.url))
    with gateway.client() as client:
        for _ in range(3):
            chat = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
            assert client.post("/v1/chat/completions", json=chat).status_code == 200
    return gateway


@pytest.fixture
def prometheus(tmp_path, gateway):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    prometheus = Prometheus(folder, gateway.admin_url.removeprefix("http://"))
    until(lambda: prometheus.series("sluicegate_connections"), "the gateway has been scraped")
    yield prometheus
    prometheus.stop()


def test_the_gateway_has_every_series_that_an_alert_or_a_panel_asks_for(prometheus):
    selectors = {selector for expression in expressions() for selector in selectors_of(expression)}
    assert len(selectors) > 30
    unknown = sorted(selector for selector in selectors if not prometheus.series(selector))
    assert not unknown


def test_series_have_the_labels_that_alerts_and_panels_group_by(prometheus):
    grouped = [group for expression in expressions() for group in GROUPED.findall(expression)]
    assert len(grouped) > 30
    for labels, metric in grouped:
        [first, *_] = prometheus.series(metric)
        assert set(labels.split(", ")) <= set(first["metric"]), metric


def test_prometheus_evaluates_every_alert_and_finds_a_working_gateway_in_order(prometheus):
    rules = until(lambda: evaluated(prometheus.rules()), "every alert has been evaluated")
    assert {name for name, rule in rules.items() if rule["health"] != "ok"} == set()
    assert {name for name, rule in rules.items() if rule["state"] != "inactive"} == set()


def test_a_gateway_without_its_store_is_seen(prometheus, gateway, redis):
    redis.kill()
    with gateway.client() as client:
        until(lambda: not lit(client, gateway), "the gateway has noticed")
    until(lambda: prometheus.rules()["SluicegateStoreDown"]["state"] == "pending", "the alert is pending")


def test_each_alert_fires_when_it_should_and_not_before():
    told = subprocess.run(["promtool", "test", "rules", CASES], capture_output=True, text=True, timeout=TIMEOUT)
    assert told.returncode == 0, told.stdout + told.stderr
    tested = {case["alertname"] for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]}
    assert tested == {rule["alert"] for rule in alerts()}


def test_the_page_about_metrics_explains_every_alert():
    page = (ROOT / "docs/metrics.md").read_text()
    assert [rule["alert"] for rule in alerts() if f"| `{rule['alert']}` |" not in page] == []


def test_the_dashboard_is_the_one_that_its_script_prints():
    printed = subprocess.run([sys.executable, GENERATOR], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    assert printed.stdout == DASHBOARD.read_text(), f"run {GENERATOR.relative_to(ROOT)}"


def test_grafana_knows_every_field_of_the_dashboard(tmp_path):
    # Grafana publishes its schema as types. Those of strings are enumerations, which no literal belongs to as it is.
    board = json.loads(DASHBOARD.read_text())
    values = [("Dashboard", board)]
    for panel in board["panels"]:
        kind = {"row": None, "stat": "Stat", "timeseries": "TimeSeries"}[panel["type"]]
        if kind:
            values.append((f"Partial<{kind}.Options>", panel["options"]))
        if "custom" in panel.get("fieldConfig", {}).get("defaults", {}):
            values.append((f"Partial<{kind}.FieldConfig>", panel["fieldConfig"]["defaults"]["custom"]))
    script = TYPES + "".join(
        f"export const value{number}: Plain<{kind}> = {json.dumps(value)};\n" for number, (kind, value) in enumerate(values)
    )
    file = tmp_path / "dashboard.ts"
    file.write_text(script)
    modules = Path(sys.prefix) / "node_modules"
    (tmp_path / "node_modules").symlink_to(modules)
    command = [modules / ".bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--module", "esnext"]
    told = subprocess.run(
        [*command, "--moduleResolution", "bundler", file], capture_output=True, text=True, timeout=4 * TIMEOUT
    )
    assert told.returncode == 0, told.stdout + told.stderr


def alerts():
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def expressions():
    """The queries of all alerts and panels, without the dashboard's variables."""
    yield from (rule["expr"] for rule in alerts())
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield re.sub(r'job=~"\$job",instance=~"\$instance",?', "", target["expr"])


def selectors_of(expression):
    """The series that a query reads: `sluicegate_requests_total{decision="deny"}`."""
    return {selector.replace("{}", "") for selector in re.findall(r"sluicegate_\w+(?:\{[^}]*\})?", expression)}


def evaluated(rules):
    """The rules, once each has been evaluated."""
    return rules if all(rule["health"] != "unknown" for rule in rules.values()) else None


def lit(client, gateway):
    client.post("/v1/chat/completions", json={"messages": [], "max_tokens": 1})
    return gateway.metric("sluicegate_store_up") == 1


# `sum by (job, route) (rate(sluicegate_requests_total{…}[5m]))`
GROUPED = re.compile(r"\bby \(([\w, ]+)\) \((?:\w+\()?(sluicegate_\w+)")
COMPOSABLE = "@grafana/schema/dist/esm/raw/composable"
TYPES = f"""
import type {{ Dashboard }} from "@grafana/schema";
import type * as Stat from "{COMPOSABLE}/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as TimeSeries from "{COMPOSABLE}/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
type Plain<T> = T extends string ? `${{T}}`
    : T extends (infer Item)[] ? Plain<Item>[]
    : T extends object ? {{ [K in keyof T]: Plain<T[K]> }} : T;
"""
