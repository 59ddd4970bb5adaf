"""The admin port: exact totals, in formats that strict parsers read."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from gateway import Spent
from model import FLOWER

POLICY = Path(__file__).with_name("endpoints.toml").read_text()
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def asked(start):
    """A gateway that has been asked for predictions until a denial, and thrice for the model's description."""
    gateway = start(POLICY)
    with gateway.client() as client:
        spent = Spent(lambda: client.post("/predict", json=FLOWER))
        for _ in range(3):
            client.get("/model-info")
        client.post("/premium/predict", json=FLOWER)
    gateway.predictions = spent.passed
    return gateway


def test_the_summary_counts_every_request_by_route(asked):
    summary = asked.summary()

    assert summary["endpoints"]["/predict"] == {"total": asked.predictions + 1, "limited": 1}
    assert summary["endpoints"]["/model-info"] == {"total": 3, "limited": 0}
    assert summary["endpoints"]["/premium/predict"] == {"total": 1, "limited": 0}
    assert summary["total_requests"] == asked.predictions + 5
    assert summary["limited_requests"] == 1


@pytest.mark.parametrize(
    "accept, content_type, parse",
    [
        ("*/*", "text/plain; version=0.0.4", prometheus),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0", openmetrics),
    ],
    ids=["prometheus", "openmetrics"],
)
def test_the_metrics_tell_the_same_totals(asked, accept, content_type, parse):
    answer = httpx.get(f"{asked.admin_url}/metrics", headers={"accept": accept})

    assert answer.headers["content-type"].startswith(content_type)
    totals = {}
    for family in parse(answer.text):
        assert family.name.startswith("sluicegate_"), family.name
        for sample in family.samples:
            if sample.name == "sluicegate_requests_total":
                key = sample.labels["route"], sample.labels["decision"]
                totals[key] = totals.get(key, 0) + sample.value
    assert totals["/predict", "allow"] == asked.predictions
    assert totals["/predict", "deny"] == 1
    assert totals["/model-info", "allow"] == 3
    assert totals["/premium/predict", "refuse"] == 1


LABELS = {"route", "limit", "decision", "command", "tier", "outage", "reason", "result", "status", "upstream", "le", "unit"}


def test_no_label_names_a_caller(asked):
    for family in prometheus(httpx.get(f"{asked.admin_url}/metrics").text):
        for sample in family.samples:
            assert set(sample.labels) <= LABELS, sample
            assert "127.0.0.1" not in sample.labels.values()


def test_openmetrics_ends_as_it_must(asked):
    assert httpx.get(f"{asked.admin_url}/metrics", headers={"accept": OPENMETRICS}).text.endswith("# EOF\n")


def test_the_gateway_says_that_it_lives_and_is_ready(asked):
    assert httpx.get(f"{asked.admin_url}/livez").status_code == 200
    assert httpx.get(f"{asked.admin_url}/readyz").status_code == 200


def test_the_admin_paths_are_not_on_the_public_port(asked, model):
    with asked.client() as client:
        assert client.get("/metrics").status_code == 404
    assert model.calls("/metrics") == 1


def test_each_denial_is_logged_once_without_the_caller(asked):
    denials = [line for line in asked.logged().splitlines() if "denied" in line]

    assert len(denials) == 1
    assert "/predict" in denials[0]
    assert "127.0.0.1" not in denials[0]
