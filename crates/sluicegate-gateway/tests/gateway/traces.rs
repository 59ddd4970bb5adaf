//! Traces sent by OTLP, and the trace context that the upstream gets.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::metric::Data,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message;
use serde_json::json;
use sluicegate_gateway::Gateway;

use crate::{
    support::{
        Client, Collector, Nobody, Scripted, Upstream, collector::attributes, gateway_of, metric, soon,
    },
    tokens::{STREAM, chunk, whole},
};

const ROUTES: &str = r#"
    [[route]]
    path = "/things/{id}"
    limits = [{ name = "few", quota = "2/day", key = "global" }, { name = "none", quota = "1/day", mode = "shadow", key = "global" }]

    [[route]]
    path = "/v1/chat/completions"
    meter = "openai"
    limits = [{ name = "tpm", quota = "1000 tokens/day", key = "global" }]
"#;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn without_telemetry_trace_headers_pass_as_they_are() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(ROUTES, upstream.address, |_| {});
    for parent in [PARENT, "00-nonsense"] {
        get(&gateway, "/free", &format!("traceparent: {parent}\r\ntracestate: a=1\r\n")).await;
        let seen = upstream.seen();
        assert!(seen.contains(&format!("traceparent: {parent}\ntracestate: a=1\n")), "{seen}");
    }
    get(&gateway, "/free", "").await;
    assert!(!upstream.seen().contains("traceparent"));
}

#[tokio::test]
async fn a_request_whose_caller_records_it_has_a_span_and_its_call_another_one() {
    let mut collector = Collector::start().await;
    let upstream = Upstream::start().await;
    let gateway =
        start(&collector, &upstream, "sampling = 0\nheaders = 'x-key=a%20b'\nservice_name = 'gate'");
    let status =
        get(&gateway, "/things/7?secret=1", &format!("traceparent: {PARENT}\r\ntracestate: a=1\r\n")).await;
    assert_eq!(status, 200);
    let received = collector.received().await;
    assert_eq!((received.path.as_str(), &received.headers["x-key"]), ("/v1/traces", &"a b".parse().unwrap()));
    assert_eq!(received.headers["content-type"], "application/x-protobuf");
    let [server, call] = pair(crate::support::collector::spans(&received.message));

    let trace = hex("4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&server.trace_id, &call.trace_id), (&trace, &trace));
    assert_eq!((&server.parent_span_id, &call.parent_span_id), (&hex("00f067aa0ba902b7"), &server.span_id));
    assert_eq!((server.kind(), call.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!((server.flags, call.flags), (0x301, 0x101), "recorded, and the first has a remote parent");
    assert_eq!((server.trace_state.as_str(), call.trace_state.as_str()), ("a=1", "a=1"));
    assert!(server.start_time_unix_nano <= call.start_time_unix_nano);
    assert!(call.start_time_unix_nano < call.end_time_unix_nano);
    assert!(call.end_time_unix_nano <= server.end_time_unix_nano);
    let seen = upstream.seen();
    let told = format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01\n", text(&call.span_id));
    assert!(seen.contains(&told) && seen.contains("tracestate: a=1\n"), "{seen}");

    assert_eq!((server.name.as_str(), call.name.as_str()), ("GET /things/{id}", "GET"));
    let mut told = attributes(&server.attributes);
    let id = told.remove("sluicegate.request_id").expect("it has an id");
    assert!(seen.contains(&format!("x-request-id: {id}\n")));
    let port = gateway.address().port().to_string();
    assert_eq!(
        told.into_iter().collect::<Vec<_>>(),
        [
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("http.route", "/things/{id}"),
            ("network.protocol.version", "1.1"),
            ("server.address", "models.example"),
            ("server.port", &port),
            ("sluicegate.charge.few", "1"),
            ("sluicegate.charge.none", "1"),
            ("sluicegate.complete", "true"),
            ("sluicegate.outcome", "allowed"),
            ("url.path", "/things/7"),
            ("url.scheme", "http"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
    );
    let port = upstream.address.port().to_string();
    assert_eq!(
        attributes(&call.attributes).into_iter().collect::<Vec<_>>(),
        [
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
        ]
        .map(|(name, value)| (name, value.to_owned()))
    );
}

#[tokio::test]
async fn a_caller_that_does_not_record_decides_for_all() {
    let mut collector = Collector::start().await;
    let upstream = Upstream::start().await;
    let gateway = start(&collector, &upstream, "");
    let unsampled = PARENT.replace("-01", "-00");
    get(&gateway, "/free", &format!("traceparent: {unsampled}\r\n")).await;
    assert!(upstream.seen().contains(&format!("traceparent: {unsampled}\n")));
    get(&gateway, "/things/1", "").await;
    let [server, _] = pair(collector.spans(2).await);
    assert_eq!(server.name, "GET /things/{id}", "the other was recorded by nobody");
}

#[tokio::test]
async fn an_invalid_trace_context_is_replaced() {
    let mut collector = Collector::start().await;
    let upstream = Upstream::start().await;
    for (sampling, flag) in [("sampling = 1", "-01\n"), ("sampling = 0", "-00\n")] {
        let gateway = start(&collector, &upstream, sampling);
        for invalid in ["", "traceparent: 00-nonsense\r\n", &format!("traceparent: {PARENT}\r\n").repeat(2)] {
            get(&gateway, "/free", &format!("{invalid}tracestate: a=1\r\n")).await;
            let seen = upstream.seen();
            let lines: Vec<_> = seen.lines().filter(|line| line.starts_with("trace")).collect();
            let [context] = *lines else { panic!("one field, without state: {seen}") };
            assert!(context.starts_with("traceparent: 00-") && !context.contains("4bf92f"), "{context}");
            assert!(seen.contains(flag), "{seen}");
        }
    }
    let spans = collector.spans(6).await;
    assert!(
        spans.iter().filter(|span| span.kind() == SpanKind::Server).all(|it| it.parent_span_id.is_empty())
    );
}

#[tokio::test]
async fn a_denial_tells_the_limits_and_the_wait() {
    let mut collector = Collector::start().await;
    let upstream = Upstream::start().await;
    let gateway = start(&collector, &upstream, "");
    for expected in [200, 200, 429] {
        assert_eq!(get(&gateway, "/things/1", "").await, expected);
    }
    let spans = collector.spans(5).await;
    let in_shadow: Vec<_> = spans
        .iter()
        .filter_map(|span| attributes(&span.attributes).remove("sluicegate.shadow_denied_by"))
        .collect();
    assert_eq!(in_shadow, ["[\"none\"]"]);
    let denied = spans.last().expect("there are five");
    let told = attributes(&denied.attributes);
    assert_eq!(told["http.response.status_code"], "429");
    assert_eq!(told["sluicegate.outcome"], "denied");
    assert_eq!(
        (told["sluicegate.limit"].as_str(), told["sluicegate.denied_by"].as_str()),
        ("few", "[\"few\"]")
    );
    let wait: u64 = told["sluicegate.retry_after"].parse().expect("seconds");
    assert!((43_000..=43_200).contains(&wait), "{wait}");
    assert_eq!(
        denied.status.as_ref().expect("it has one").code(),
        StatusCode::Unset,
        "it is the client's fault"
    );
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    let mut collector = Collector::start().await;
    let nobody = Nobody::new();
    let gateway = gateway_of(&policy(&collector, ""), nobody.address, |_| {});
    assert_eq!(get(&gateway, "/things/1", "").await, 502);
    let [server, call] = pair(collector.spans(2).await);
    let told = attributes(&server.attributes);
    assert_eq!((told["http.response.status_code"].as_str(), told["error.type"].as_str()), ("502", "502"));
    assert_eq!(
        (told["sluicegate.error"].as_str(), told["sluicegate.complete"].as_str()),
        ("upstream_down", "false")
    );
    assert_eq!(attributes(&call.attributes)["error.type"], "upstream_down");
    for span in [server, call] {
        assert_eq!(span.status.expect("it has one").code(), StatusCode::Error);
    }
    let mut client = Client::connect(gateway.address()).await;
    client.write("BREW /things/1 HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 400);
    let [refused] = &collector.spans(1).await[..] else { panic!("there is one") };
    let told = attributes(&refused.attributes);
    assert_eq!((refused.name.as_str(), told["http.request.method_original"].as_str()), ("_OTHER", "BREW"));
    assert_eq!(told["sluicegate.outcome"], "refused");
}

#[tokio::test]
async fn tokens_are_told_by_the_names_for_generative_ai() {
    let mut collector = Collector::start().await;
    let upstream = Scripted::start().await;
    let gateway = gateway_of(&policy(&collector, ""), upstream.address, |_| {});
    let usage = json!({
        "prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28,
        "prompt_tokens_details": { "cached_tokens": 16 },
        "completion_tokens_details": { "reasoning_tokens": 5 },
    });
    let mut client = ask(&gateway, true).await;
    let mut connection = upstream.accept().await;
    connection.request(b"\"end\"}").await;
    let event = format!("data: {}\n\ndata: [DONE]\n\n", json!({ "choices": [], "usage": usage }));
    connection.write(&[STREAM, &chunk(&event), "0\r\n\r\n"].concat()).await;
    client.head().await;
    while client.chunk().await.is_some_and(|chunk| !chunk.is_empty()) {}
    let [server, call] = pair(collector.spans(2).await);
    assert_eq!(call.name, "chat gpt-4o");
    let mut told = attributes(&call.attributes);
    let waited: f64 =
        told.remove("gen_ai.response.time_to_first_chunk").expect("it is a stream").parse().unwrap();
    assert!(waited > 0.0 && waited < 5.0, "{waited}");
    told.retain(|name, _| name.starts_with("gen_ai."));
    assert_eq!(
        told.into_iter().collect::<Vec<_>>(),
        [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.max_tokens", "50"),
            ("gen_ai.request.model", "gpt-4o"),
            ("gen_ai.request.stream", "true"),
            ("gen_ai.usage.cache_read.input_tokens", "16"),
            ("gen_ai.usage.input_tokens", "21"),
            ("gen_ai.usage.output_tokens", "7"),
            ("gen_ai.usage.reasoning.output_tokens", "5"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
    );
    let told = attributes(&server.attributes);
    assert_eq!(told["sluicegate.tokens.charged"], "28");
    assert_eq!(told["sluicegate.tokens.reserved"], told["sluicegate.charge.tpm"]);

    let mut client = ask(&gateway, false).await;
    connection.request(b"\"end\"}").await;
    connection.write(&whole("400 Bad Request", "{}")).await;
    client.answer().await;
    let [server, call] = pair(collector.spans(2).await);
    let told = attributes(&call.attributes);
    assert!(!told.contains_key("gen_ai.usage.input_tokens"), "nobody has reported any: {told:?}");
    assert_eq!(
        (told["error.type"].as_str(), server.status.expect("it has one").code()),
        ("400", StatusCode::Unset)
    );
}

#[tokio::test]
async fn spans_wait_for_a_collector_that_is_away_and_requests_do_not() {
    let mut collector = Collector::away();
    let upstream = Upstream::start().await;
    let gateway = start(&collector, &upstream, "");
    for _ in 0..50 {
        assert_eq!(get(&gateway, "/free", "").await, 200);
    }
    assert_eq!(metric(&gateway, "sluicegate_telemetry_spans_total").await, 0);
    collector.come().await;
    assert_eq!(collector.spans(100).await.len(), 100);
    counted(&gateway, "sluicegate_telemetry_spans_total", 100).await;
    assert_eq!(metric(&gateway, "sluicegate_telemetry_dropped_spans_total").await, 0);
}

#[tokio::test]
async fn spans_that_the_collector_refuses_are_counted_as_dropped() {
    let mut collector = Collector::start().await;
    let upstream = Upstream::start().await;
    let gateway = start(&collector, &upstream, "");
    for (status, refused, dropped) in [(200, 1, 1), (400, 0, 3), (503, 0, 3), (200, 0, 3)] {
        collector.answer(status, refused);
        // Those that the collector is too busy for are sent again.
        if (status, refused) != (200, 0) {
            get(&gateway, "/free", "").await;
        }
        collector.received().await;
        counted(&gateway, "sluicegate_telemetry_dropped_spans_total", dropped).await;
    }
    counted(&gateway, "sluicegate_telemetry_spans_total", 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spans_of_the_last_requests_are_sent_at_the_end() {
    let mut collector = Collector::start().await;
    let upstream = Upstream::start().await;
    let gateway = start(&collector, &upstream, "");
    get(&gateway, "/free", "").await;
    tokio::task::spawn_blocking(move || drop(gateway)).await.expect("it ends");
    assert_eq!(collector.spans(2).await.len(), 2);
}

#[tokio::test]
async fn the_trace_of_a_request_is_an_exemplar_of_its_duration() {
    let mut collector = Collector::start().await;
    let upstream = Upstream::start().await;
    let policy = policy(&collector, "metrics_interval = '1s'").replace("metrics = false", "metrics = true");
    let gateway = gateway_of(&policy, upstream.address, |_| {});
    get(&gateway, "/free", &format!("traceparent: {PARENT}\r\n")).await;
    get(&gateway, "/things/1", &format!("traceparent: {}\r\n", PARENT.replace("-01", "-00"))).await;
    let [server, _] = pair(collector.spans(2).await);
    let mut client = Client::connect(gateway.admin_address()).await;
    let exemplar = format!(
        " # {{trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",span_id=\"{}\"}} 0.",
        text(&server.span_id)
    );
    for (accept, count) in [("application/openmetrics-text", 1), ("text/plain", 0)] {
        client.write(format!("GET /metrics HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n")).await;
        let answer = client.answer().await;
        let with: Vec<_> = answer.text().lines().filter(|line| line.contains("trace_id")).collect();
        assert_eq!(with.len(), count, "{with:?}");
        for line in with {
            assert!(line.starts_with("sluicegate_upstream_duration_seconds_bucket{le=\""), "{line}");
            assert!(line.contains("route=\"unmatched\"} 1") && line.contains(&exemplar), "{line}");
        }
    }
    let sent = loop {
        let received = collector.received().await;
        if received.path == "/v1/metrics" {
            break received.message;
        }
    };
    let sent = ExportMetricsServiceRequest::decode(sent).expect("it is OTLP");
    let metrics = &sent.resource_metrics[0].scope_metrics[0].metrics;
    let exemplars: Vec<_> = metrics
        .iter()
        .filter_map(|metric| match &metric.data {
            Some(Data::Histogram(histogram)) => Some(&histogram.data_points),
            _ => None,
        })
        .flatten()
        .flat_map(|point| &point.exemplars)
        .map(|exemplar| (text(&exemplar.trace_id), text(&exemplar.span_id)))
        .collect();
    assert_eq!(exemplars, [("4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), text(&server.span_id))]);
}

async fn counted(gateway: &Gateway, name: &str, expected: u64) {
    soon(async { while metric(gateway, name).await != expected {} }).await;
}

fn policy(collector: &Collector, settings: &str) -> String {
    let address = collector.port.address;
    format!("{ROUTES}\n[telemetry]\nendpoint = 'http://{address}'\nmetrics = false\n{settings}")
}

fn start(collector: &Collector, upstream: &Upstream, settings: &str) -> Gateway {
    gateway_of(&policy(collector, settings), upstream.address, |_| {})
}

/// Sends a request with these header lines, and returns the status of the response.
async fn get(gateway: &Gateway, path: &str, headers: &str) -> u16 {
    let mut client = Client::connect(gateway.address()).await;
    let host = format!("models.example:{}", gateway.address().port());
    client.write(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n")).await;
    client.answer().await.status
}

/// Asks a model for a completion.
async fn ask(gateway: &Gateway, streams: bool) -> Client {
    let body = json!({
        "model": "gpt-4o",
        "messages": [{ "role": "user", "content": "hi" }],
        "max_tokens": 50,
        "stream": streams,
        "stream_options": if streams { json!({ "include_usage": true }) } else { json!(null) },
        "user": "end",
    });
    let body = body.to_string();
    let length = body.len();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    let mut client = Client::connect(gateway.address()).await;
    client.write(head + &body).await;
    client
}

/// The span of a request and that of its call.
fn pair(spans: Vec<Span>) -> [Span; 2] {
    let pair: [Span; 2] = spans.try_into().expect("there are two");
    assert_eq!(pair[0].kind(), SpanKind::Server);
    pair
}

fn hex(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("digits"), 16).expect("digits"))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
