//! Pages of other origins, through the gateway: preflights, and what they may read.

use crate::support::{Client, Nobody, Upstream, gateway_of, gateway_with, metrics};

const PAGES: &str = "
    [cors]
    origins = 'https://app.example'

    [[route]]
    path = '/once'
    limits = [{ name = 'once', quota = '1/day' }]
";

const PREFLIGHT: &str = "host: a\r\norigin: https://app.example\r\naccess-control-request-method: POST\r\n\
                         access-control-request-headers: authorization\r\n\r\n";

async fn preflight(client: &mut Client, path: &str) -> crate::support::client::Answer {
    client.write(format!("OPTIONS {path} HTTP/1.1\r\n{PREFLIGHT}")).await;
    client.answer().await
}

#[tokio::test]
async fn a_preflight_goes_to_the_upstream_and_spends_nothing_where_no_policy_speaks_of_pages() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..3 {
        let answer = preflight(&mut client, "/once").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit"), None, "it is no matter of limits");
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
    }
    let seen = upstream.seen();
    assert!(seen.starts_with("OPTIONS /once\n") && seen.contains("origin: https://app.example\n"), "{seen}");
    assert_eq!(client.get("/once").await.status, 200);
    let denied = client.get("/once").await;
    assert_eq!(denied.status, 429);
    assert!(!denied.head.contains("access-control") && !denied.head.contains("vary"), "{}", denied.head);
}

#[tokio::test]
async fn a_preflight_is_answered_without_the_upstream_and_the_connection_goes_on() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(PAGES, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..3 {
        client.write(format!("OPTIONS /once HTTP/1.1\r\n{PREFLIGHT}")).await;
        let answer = client.head().await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
        assert_eq!(answer.header("content-length"), None);
    }
    assert_eq!(upstream.requests(), 0);
    assert_eq!(client.get("/once").await.status, 200);
    let metrics = metrics(&gateway).await;
    let counted = "sluicegate_requests_total{route=\"/once\",tier=\"default\",decision=\"allow\"} 4";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_page_reads_our_answers_whatever_went_wrong() {
    let nobody = Nobody::new();
    let gateway = gateway_of(PAGES, nobody.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for status in [502, 429] {
        client.write("GET /once HTTP/1.1\r\nhost: a\r\norigin: https://app.example\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"), "{status}");
        assert_eq!(answer.header("vary"), Some("origin"), "{status}");
    }
}
