"""`metrics`: what the limits of a process have decided, in formats that strict parsers read."""

import json
import subprocess
import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

# In a process of its own, whose counts are its own.
SCRIPT = """
import json, sys
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient
from sluicegate import Limiter
from sluicegate.fastapi import RateLimit, RateLimitMiddleware, metrics

limiter = Limiter(policy={"tiers": {"free": {}, "premium": {}}, "identity": {"default_tier": "free"}})
app = FastAPI()
app.add_route("/metrics", metrics)

@app.get("/predict/{item}", dependencies=[Depends(RateLimit("2/minute", limiter=limiter))])
async def predict(item):
    return {}

@app.get("/premium", dependencies=[Depends(RateLimit("2/minute", require_tier="premium", limiter=limiter))])
async def premium():
    return {}

@app.get("/shadow", dependencies=[Depends(RateLimit("1/minute", mode="shadow", limiter=limiter))])
async def shadow():
    return {}

sub = FastAPI()

@sub.get("/{path:path}")
async def any_path(path):
    return {}

app.mount("/sub", RateLimitMiddleware(sub, {"route": [{"path": "/sub/a", "limits": ["1/minute"]}]}))

client = TestClient(app, client=("203.0.113.7", 50000))
for number in range(5):
    client.get(f"/predict/{number}")
for path in ("/premium", "/shadow", "/shadow", "/sub/a", "/sub/a", "/sub/b"):
    client.get(path)
answers = {accept: client.get("/metrics", headers={"accept": accept}) for accept in sys.argv[1:]}
json.dump({accept: [answer.headers["content-type"], answer.text] for accept, answer in answers.items()}, sys.stdout)
"""


@pytest.fixture(scope="module")
def told():
    """The metrics of a few requests: the media type and the text, by the accepted type."""
    accepted = ["*/*", OPENMETRICS, "application/json"]
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT, *accepted], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_summary_counts_requests_by_route(told):
    media, text = told["application/json"]
    summary = json.loads(text)

    assert media.startswith("application/json")
    endpoints = summary["endpoints"]
    assert endpoints["/predict/{item}"] == {"total": 5, "limited": 3}
    assert endpoints["/premium"] == {"total": 1, "limited": 0}
    assert endpoints["/shadow"] == {"total": 2, "limited": 0}
    assert endpoints["/sub/a"] == {"total": 2, "limited": 1}
    assert summary["total_requests"] == sum(endpoint["total"] for endpoint in endpoints.values())
    assert summary["limited_requests"] == 4


@pytest.mark.parametrize(
    "accept, media, parse",
    [("*/*", "text/plain; version=0.0.4", prometheus), (OPENMETRICS, OPENMETRICS, openmetrics)],
    ids=["prometheus", "openmetrics"],
)
def test_the_metrics_tell_the_same(told, accept, media, parse):
    content_type, text = told[accept]

    assert content_type.startswith(media)
    totals = {}
    for family in parse(text):
        assert family.name.startswith("sluicegate_"), family.name
        for sample in family.samples:
            assert set(sample.labels) <= {"route", "limit", "decision", "tier", "outage", "unit", "le"}, sample
            assert "203.0.113.7" not in sample.labels.values()
            if sample.name == "sluicegate_requests_total":
                key = sample.labels["route"], sample.labels["decision"]
                totals[key] = totals.get(key, 0) + sample.value
    assert totals["/predict/{item}", "allow"] == 2
    assert totals["/predict/{item}", "deny"] == 3
    assert totals["/premium", "refuse"] == 1
    assert totals["/sub/a", "deny"] == 1


def test_openmetrics_ends_as_it_must(told):
    assert told[OPENMETRICS][1].endswith("# EOF\n")
