//! Metrics sent by OTLP.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{Metric, metric::Data, number_data_point::Value},
};
use prost::Message;
use serde_json::json;

use crate::{
    support::{Client, Collector, Scripted, Upstream, collector::attributes, gateway_of, metrics},
    tokens::{STREAM, WORD, asking, chunk, whole},
};

const POLICY: &str = r#"
    [[route]]
    path = "/free"
    limits = [{ name = "few", quota = "2/day", key = "global" }]

    [[route]]
    path = "/v1/chat/completions"
    meter = "openai"
"#;

#[tokio::test]
async fn the_metrics_that_are_sent_are_those_that_are_scraped() {
    let mut collector = Collector::start().await;
    let upstream = Upstream::start().await;
    let gateway = gateway_of(&policy(&collector), upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for expected in [200, 200, 429] {
        assert_eq!(client.get("/free").await.status, expected);
    }
    // Those of this connection are counted by then, too.
    let sent = loop {
        let sent = sent(&mut collector).await;
        if series(&sent)["sluicegate_requests_total{decision=deny,route=/free,tier=default}"] == "1" {
            break sent;
        }
    };
    let scraped = metrics(&gateway).await;
    let scraped = scraped.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        (name, value)
    });
    let sent_series = series(&sent);
    let mut compared = 0;
    for (name, value) in scraped {
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let mut labels: Vec<_> =
            labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
        labels.sort_unstable();
        let labels = labels.join(",").replace('"', "");
        let name = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") };
        let sent = sent_series.get(&name).unwrap_or_else(|| panic!("{name} is missing in {sent_series:#?}"));
        assert_eq!(sent.parse::<f64>().expect("a number"), value.parse::<f64>().expect("a number"), "{name}");
        compared += 1;
    }
    assert_eq!(compared, sent_series.len(), "nothing else is sent");
    let duration = find(&sent, "sluicegate_decision_duration_seconds");
    assert_eq!((duration.unit.as_str(), duration.description.as_str()), ("s", "Time to decide one request."));
}

#[tokio::test]
async fn calls_of_models_are_counted_by_the_names_for_generative_ai() {
    let mut collector = Collector::start().await;
    let upstream = Scripted::start().await;
    let gateway = gateway_of(&policy(&collector), upstream.address, |_| {});
    let path = "/v1/chat/completions";
    let body = |model: &str, streams: bool| {
        let message = json!([{ "role": "user", "content": "hi" }]);
        json!({ "model": model, "messages": message, "max_tokens": 50, "stream": streams }).to_string()
    };

    let mut client = asking(&gateway, path, &body("m", true)).await;
    let mut connection = upstream.accept().await;
    connection.request(b"true}").await;
    connection.write(&[STREAM, &chunk(WORD)].concat()).await;
    client.head().await;
    client.chunk().await;
    let usage = json!({
        "prompt_tokens": 21, "completion_tokens": 7,
        "prompt_tokens_details": { "cached_tokens": 16 },
        "completion_tokens_details": { "audio_tokens": 3 },
    });
    let event = format!("data: {}\n\ndata: [DONE]\n\n", json!({ "choices": [], "usage": usage }));
    connection.write(&[&chunk(&event), "0\r\n\r\n"].concat()).await;
    while client.chunk().await.is_some_and(|chunk| !chunk.is_empty()) {}

    let mut client = asking(&gateway, path, &body(&"x".repeat(200), false)).await;
    let mut connection = upstream.accept().await;
    connection.request(b"false}").await;
    connection.write(&whole("429 Too Many Requests", "{}")).await;
    client.answer().await;

    let sent = loop {
        let sent = sent(&mut collector).await;
        let durations = series(&sent)
            .into_keys()
            .filter(|name| name.starts_with("gen_ai.client.inference.duration_count"));
        if durations.count() == 2 {
            break sent;
        }
    };
    let port = upstream.address.port();
    let labels = format!(
        "gen_ai.operation.name=chat,gen_ai.provider.name=openai,gen_ai.request.model=m,server.address=127.0.0.1,server.port={port}"
    );
    let failed = labels.replace("model=m", "model=_OTHER");
    let by_modality = |labels: &str, modality: &str| {
        labels.replace(",server.address", &format!(",gen_ai.token.modality={modality},server.address"))
    };
    let all = series(&sent);
    let all: Vec<_> = all
        .iter()
        .filter(|(name, _)| name.starts_with("gen_ai.") && !name.contains("_sum") && !name.contains("le="))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let expected = [
        (format!("gen_ai.client.inference.duration_count{{error.type=429,{failed}}}"), "1"),
        (format!("gen_ai.client.inference.duration_count{{{labels}}}"), "1"),
        (format!("gen_ai.client.inference.time_per_output_chunk_count{{{labels}}}"), "1"),
        (format!("gen_ai.client.inference.time_to_first_chunk_count{{{labels}}}"), "1"),
        (usage_of("cache_read.input_tokens", &by_modality(&labels, "text")), "16"),
        (usage_of("input_tokens", &by_modality(&failed, "unknown")), "0"),
        (usage_of("input_tokens", &by_modality(&labels, "text")), "21"),
        (usage_of("output_tokens", &by_modality(&failed, "unknown")), "0"),
        (usage_of("output_tokens", &by_modality(&labels, "audio")), "3"),
        (usage_of("output_tokens", &by_modality(&labels, "text")), "4"),
    ];
    let mut all_but_chunks = all.clone();
    // How a stream is cut into pieces is up to the network.
    all_but_chunks.iter_mut().filter(|(name, _)| name.contains("per_output_chunk")).for_each(|(_, count)| {
        assert!((1..=3).contains(&count.parse::<u32>().expect("a count")), "{count}");
        "1".clone_into(count);
    });
    assert_eq!(all_but_chunks, expected.map(|(name, value)| (name, value.to_owned())));
    let duration = find(&sent, "gen_ai.client.inference.duration");
    let Some(Data::Histogram(histogram)) = &duration.data else { panic!("it is a histogram") };
    assert_eq!(histogram.data_points[0].explicit_bounds[..2], [0.01, 0.02]);
    assert_eq!(
        (duration.unit.as_str(), find(&sent, "gen_ai.client.inference.usage.input_tokens").unit.as_str()),
        ("s", "{token}")
    );
}

fn usage_of(name: &str, labels: &str) -> String {
    format!("gen_ai.client.inference.usage.{name}_total{{{labels}}}")
}

fn policy(collector: &Collector) -> String {
    let address = collector.port.address;
    format!("{POLICY}\n[telemetry]\nendpoint = 'http://{address}'\ntraces = false\nmetrics_interval = '1s'")
}

async fn sent(collector: &mut Collector) -> Vec<Metric> {
    let received = collector.received().await;
    assert_eq!(received.path, "/v1/metrics", "no traces are sent");
    let request = ExportMetricsServiceRequest::decode(received.message).expect("it is OTLP");
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    scopes.flat_map(|scope| scope.metrics).collect()
}

fn find<'m>(metrics: &'m [Metric], name: &str) -> &'m Metric {
    metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Every series as Prometheus would name it, with its labels in order.
fn series(metrics: &[Metric]) -> BTreeMap<String, String> {
    metrics.iter().flat_map(points).collect()
}

fn points(metric: &Metric) -> Vec<(String, String)> {
    let name = &metric.name;
    let series = |suffix: &str, told: BTreeMap<&str, String>| {
        let labels: Vec<_> = told.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        format!("{name}{suffix}{labels}")
    };
    let number = |value: &Option<Value>| match value {
        Some(Value::AsInt(number)) => number.to_string(),
        Some(Value::AsDouble(number)) => number.to_string(),
        None => panic!("{name} has no value"),
    };
    match metric.data.as_ref().expect("it has data") {
        Data::Sum(sum) => {
            let points = sum.data_points.iter();
            points
                .map(|point| (series("_total", attributes(&point.attributes)), number(&point.value)))
                .collect()
        }
        Data::Gauge(gauge) => {
            let points = gauge.data_points.iter();
            points.map(|point| (series("", attributes(&point.attributes)), number(&point.value))).collect()
        }
        Data::Histogram(histogram) => {
            let mut all = Vec::new();
            for point in &histogram.data_points {
                let told = attributes(&point.attributes);
                all.push((series("_count", told.clone()), point.count.to_string()));
                all.push((series("_sum", told.clone()), point.sum.expect("it has one").to_string()));
                let bounds = point.explicit_bounds.iter().map(|bound| written(*bound));
                let mut below = 0;
                for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&point.bucket_counts) {
                    below += count;
                    let told = told.clone().into_iter().chain([("le", bound)]).collect();
                    all.push((series("_bucket", told), below.to_string()));
                }
            }
            all
        }
        other => panic!("unexpected {other:?}"),
    }
}

/// A bound as the registry writes it.
fn written(bound: f64) -> String {
    let plain = bound.to_string();
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}
