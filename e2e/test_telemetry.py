"""Telemetry: what a collector receives that reads OTLP by the official messages."""

import socket
import time

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from collector import Collector, attributes
from gateway import run
from server import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
POLICY = """
[telemetry]
metrics_interval = "1s"

[identity]
api_keys     = "keys.toml"
default_tier = "free"

[tiers.free]
[tiers.gold]
scale = 2

[[route]]
path   = "/v1/chat/completions"
meter  = "openai"
limits = [
  { name = "tpm", quota = "1000 tokens/hour", key = "tenant" },
  { name = "rpm", quota = "2/hour", key = "tenant", mode = "shadow" },
]
"""
CHAT = {"model": "mock", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 200}


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.stop()


@pytest.fixture
def gateway(start, mock_model, collector, tmp_path):
    made = run("key", "new", "--tenant", "acme", "--tier", "gold", "--file", tmp_path / "keys.toml")
    assert made.returncode == 0, made.stderr
    policy = POLICY.replace("keys.toml", str(tmp_path / "keys.toml"))
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "front"}
    gateway = start(policy, upstream=mock_model.url, env=env)
    gateway.key = next(word for word in made.stdout.split() if word.startswith("sg"))
    return gateway


def ask(gateway, headers=None, **more):
    headers = {
        "authorization": f"Bearer {gateway.key}",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "x-mock-input-tokens": "20",
        "x-mock-output-tokens": "30",
        **(headers or {}),
    }
    with gateway.client(headers=headers) as client:
        return client.post("/v1/chat/completions", json={**CHAT, **more})


def spans(collector, count):
    """All spans, once there are so many."""
    until(lambda: len(collector.spans()) >= count, f"{count} spans are sent")
    found = collector.spans()
    assert len(found) == count
    return found


def points(metric):
    return getattr(metric, metric.WhichOneof("data")).data_points


def test_a_request_and_its_call_are_told_attribute_by_attribute(gateway, collector, mock_model):
    answer = ask(gateway, {"x-mock-cached-tokens": "4"}, stream=True, stream_options={"include_usage": True})
    assert answer.status_code == 200
    server, call = spans(collector, 2)

    assert server.trace_id.hex() == call.trace_id.hex() == TRACE
    assert server.parent_span_id.hex() == PARENT and call.parent_span_id == server.span_id
    assert (server.kind, call.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert server.start_time_unix_nano <= call.start_time_unix_nano <= call.end_time_unix_nano
    host, port = gateway.address()
    told = attributes(server)
    reserved = told.pop("sluicegate.tokens.reserved")
    assert reserved == told.pop("sluicegate.charge.tpm") > 200
    assert server.name == "POST /v1/chat/completions"
    assert told == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/chat/completions",
        "network.protocol.version": "1.1",
        "server.address": host,
        "server.port": port,
        "sluicegate.charge.rpm": 1,
        "sluicegate.complete": True,
        "sluicegate.outcome": "allowed",
        "sluicegate.request_id": answer.headers["x-request-id"],
        "sluicegate.tenant": "acme",
        "sluicegate.tier": "gold",
        "sluicegate.tokens.charged": 50,
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
    }
    told = attributes(call)
    assert 0 < told.pop("gen_ai.response.time_to_first_chunk") < 10
    assert call.name == "chat mock"
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.max_tokens": 200,
        "gen_ai.request.model": "mock",
        "gen_ai.request.stream": True,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 30,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": int(mock_model.url.rsplit(":", 1)[1]),
    }
    for resource in collector.resources():
        assert resource.pop("service.instance.id") and resource.pop("service.version")
        assert resource == {"service.name": "front"}


def test_denials_tell_the_limits(gateway, collector):
    statuses = [ask(gateway, {"x-mock-output-tokens": "190"}).status_code for _ in range(12)]
    allowed = statuses.index(429)
    found = spans(collector, 2 * statuses.count(200) + statuses.count(429))

    told = [attributes(span) for span in found if span.kind == Span.SPAN_KIND_SERVER]
    shadowed = [attrs.get("sluicegate.shadow_denied_by") for attrs in told[:allowed]]
    assert shadowed[:4] == [None] * 4 and shadowed[4:] == [["rpm"]] * (allowed - 4), "gold has twice of it"
    denied = next(attrs for attrs in told if attrs["http.response.status_code"] == 429)
    assert (denied["sluicegate.outcome"], denied["sluicegate.limit"]) == ("denied", "tpm")
    assert denied["sluicegate.denied_by"] == ["tpm"] and denied["sluicegate.retry_after"] > 0
    assert denied["sluicegate.tenant"] == "acme"


def test_the_metrics_are_those_of_a_scrape_and_those_of_models(gateway, collector):
    assert ask(gateway).status_code == 200
    until(lambda: "gen_ai.client.inference.duration" in collector.metrics(), "the call is in the metrics")
    sent = collector.metrics()

    scraped = httpx.get(f"{gateway.admin_url}/metrics").text.splitlines()
    for line in scraped:
        if line.startswith("#"):
            keyword, name, kind = line[2:].split(" ", 2)
            if keyword == "TYPE":
                field = {"counter": "sum", "gauge": "gauge", "histogram": "histogram"}[kind]
                assert sent[name.removesuffix("_total")].WhichOneof("data") == field
    [point] = [
        point
        for point in points(sent["sluicegate_requests"])
        if attributes(point) == {"route": "/v1/chat/completions", "tier": "gold", "decision": "allow"}
    ]
    assert point.as_int == 1 and point.start_time_unix_nano < point.time_unix_nano
    assert sent["sluicegate_requests"].sum.is_monotonic

    [duration] = points(sent["gen_ai.client.inference.duration"])
    assert duration.count == 1 == sum(duration.bucket_counts) and 0 < duration.sum < 10
    assert len(duration.explicit_bounds) + 1 == len(duration.bucket_counts) == 15
    labels = attributes(duration)
    assert labels["gen_ai.request.model"] == "mock" and labels["gen_ai.provider.name"] == "openai"
    for name, tokens in (("input_tokens", 20), ("output_tokens", 30)):
        metric = sent[f"gen_ai.client.inference.usage.{name}"]
        [used] = points(metric)
        assert (metric.unit, used.as_int) == ("{token}", tokens)
        assert attributes(used) == {**labels, "gen_ai.token.modality": "text"}


def test_the_last_spans_are_sent_when_the_gateway_stops(gateway, collector):
    assert ask(gateway).status_code == 200
    gateway.stop()
    assert len(collector.spans()) == 2
    assert "gen_ai.client.inference.duration" in collector.metrics()


def test_the_trace_of_a_request_is_an_exemplar(gateway, collector):
    assert ask(gateway).status_code == 200
    server, _ = spans(collector, 2)

    accept = {"accept": "application/openmetrics-text"}
    text = httpx.get(f"{gateway.admin_url}/metrics", headers=accept).raise_for_status().text
    exemplars = [
        (sample.name, sample.labels["route"], sample.exemplar.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.exemplar
    ]
    labels = {"trace_id": TRACE, "span_id": server.span_id.hex()}
    assert exemplars == [("sluicegate_upstream_duration_seconds_bucket", "/v1/chat/completions", labels)]
    assert TRACE not in httpx.get(f"{gateway.admin_url}/metrics").text, "other formats have no exemplars"


def test_a_reload_turns_telemetry_on_and_off(start, mock_model, collector):
    quiet = '[[route]]\npath = "/v1/models"\n'
    gateway = start(quiet, upstream=mock_model.url)
    telling = f'{quiet}[telemetry]\nendpoint = "{collector.url}"\nmetrics = false\n'
    for policy, count in ((quiet, 0), (telling, 2), (quiet, 2)):
        gateway.policy.write_text(policy)
        assert httpx.post(f"{gateway.admin_url}/config/reload").status_code == 200
        with gateway.client() as client:
            client.get("/v1/models")
        spans(collector, count)
    gateway.stop()
    assert len(collector.spans()) == 2


def test_a_collector_that_never_answers_holds_up_neither_requests_nor_the_end(start, mock_model):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        policy = f'[telemetry]\nendpoint = "http://127.0.0.1:{silent.getsockname()[1]}"\n'
        gateway = start(policy, upstream=mock_model.url)
        with gateway.client() as client:
            began = time.monotonic()
            for _ in range(2500):
                client.get("/v1/models")
            assert time.monotonic() - began < 30
        assert gateway.metric("sluicegate_telemetry_spans_total") == 0
        # Two spans of each request, of which so many may wait or be on their way.
        assert gateway.metric("sluicegate_telemetry_dropped_spans_total") <= 5000 - 4096
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 5


def test_a_wrong_collector_is_told_by_the_check(tmp_path):
    (tmp_path / "p.toml").write_text("[telemetry]\nendpoint = 'collector:4318'\n")
    checked = run("check", tmp_path / "p.toml")
    assert checked.returncode != 0
    assert "p.toml:2:12: `endpoint` is not the URL of a collector" in checked.stderr + checked.stdout
