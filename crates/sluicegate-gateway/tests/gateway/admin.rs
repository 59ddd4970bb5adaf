//! The admin port: health, metrics and the summary.

use crate::support::{Client, Upstream, gateway, soon, until};

#[tokio::test]
async fn the_gateway_is_alive_while_it_drains_but_not_ready() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let (address, admin) = (gateway.address(), gateway.admin_address());
    for path in ["/livez", "/readyz"] {
        assert_eq!(Client::connect(admin).await.get(path).await.status, 200, "{path}");
    }
    let mut client = Client::connect(address).await;
    client.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let stream = upstream.stream().await;
    let drained = tokio::spawn(gateway.drain());
    soon(async { while Client::connect(admin).await.get("/readyz").await.status != 503 {} }).await;
    assert_eq!(Client::connect(admin).await.get("/livez").await.status, 200);
    drop(stream);
    assert_eq!(client.answer().await.status, 200);
    soon(drained).await.expect("no panic");
}

#[tokio::test]
async fn nothing_of_the_admin_port_is_on_the_public_one() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    assert!(client.get("/metrics").await.text().starts_with("GET /metrics"), "the upstream answered");
}

#[tokio::test]
async fn the_summary_counts_every_request_exactly() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..3 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    for status in [200, 429, 429] {
        assert_eq!(client.get("/once").await.status, status);
    }
    let summary = metrics(&gateway, "application/json").await;
    assert_eq!(summary.header("content-type"), Some("application/json"));
    let summary: serde_json::Value = serde_json::from_slice(&summary.body).expect("JSON");
    let expected = serde_json::json!({
        "total_requests": 6,
        "limited_requests": 2,
        "endpoints": {
            "/held/{*rest}": { "total": 0, "limited": 0 },
            "/once": { "total": 3, "limited": 2 },
            "/read/{*rest}": { "total": 0, "limited": 0 },
            "/slot/{*rest}": { "total": 0, "limited": 0 },
            "unmatched": { "total": 3, "limited": 0 },
        },
    });
    assert_eq!(summary, expected);
}

#[tokio::test]
async fn metrics_are_prometheus_text_unless_asked_otherwise() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    assert_eq!(Client::connect(gateway.address()).await.get("/seen").await.status, 200);

    let prometheus = metrics(&gateway, "*/*").await;
    assert_eq!(prometheus.header("content-type"), Some("text/plain; version=0.0.4"));
    let text = prometheus.text();
    let counted = "sluicegate_requests_total{route=\"unmatched\",tier=\"default\",decision=\"allow\"} 1\n";
    assert!(
        text.contains("\n# TYPE sluicegate_requests_total counter\n") && text.contains(counted),
        "{text}"
    );
    assert!(!text.contains("# EOF") && !text.contains("# UNIT") && text.ends_with('\n'), "{text}");

    let open_metrics = metrics(&gateway, "application/openmetrics-text;version=1.0.0").await;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open_metrics.header("content-type"), Some(content_type));
    let text = open_metrics.text();
    assert!(text.contains("\n# TYPE sluicegate_requests counter\n") && text.contains(counted), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn a_key_that_is_denied_is_listed_by_its_hash_with_its_denials() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for status in [200, 429, 429] {
        assert_eq!(client.get("/once").await.status, status);
    }
    let told = Client::connect(gateway.admin_address()).await.get("/denials").await;
    assert_eq!(told.status, 200);
    let told: serde_json::Value = serde_json::from_slice(&told.body).expect("JSON");
    let [key] = told["keys"].as_array().expect("a list").as_slice() else { panic!("one key: {told}") };
    assert_eq!((&key["limit"], &key["denials"], &key["at_most"]), (&"once".into(), &2.into(), &2.into()));
    let hash = key["key"].as_str().expect("text");
    assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
}

#[tokio::test]
async fn requests_in_flight_are_those_without_their_whole_answer() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let stream = upstream.stream().await;
    assert_eq!(client.head().await.status, 200);
    let in_flight = "sluicegate_in_flight_requests{route=\"unmatched\"}";
    assert!(metrics(&gateway, "").await.text().contains(&format!("{in_flight} 1\n")));
    drop(stream);
    assert_eq!(client.chunk().await, None);
    until(|| upstream.running() == 0).await;
    let text = metrics(&gateway, "").await;
    assert!(text.text().contains(&format!("{in_flight} 0\n")), "{}", text.text());
    assert!(text.text().contains("sluicegate_upstream_duration_seconds_count{route=\"unmatched\"} 1\n"));
}

async fn metrics(gateway: &sluicegate_gateway::Gateway, accept: &str) -> crate::support::client::Answer {
    let mut client = Client::connect(gateway.admin_address()).await;
    client.write(format!("GET /metrics HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n")).await;
    client.answer().await
}
