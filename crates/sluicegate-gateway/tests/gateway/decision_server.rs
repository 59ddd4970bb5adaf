//! Decisions for other proxies: the requests that they describe, and the answers that they understand.

use sluicegate_gateway::{Gateway, StartError};
use sluicegate_policy::{Policy, Source, TlsSettings};

use crate::support::{
    Client, Upstream, at_once, client::Answer, gateway_of, http2::Client2, metric, tls::Authority,
};

#[tokio::test]
async fn each_endpoint_lets_pass_with_200_and_the_balances() {
    let gateway = decisions("");
    let mut proxy = Proxy::of(&gateway).await;
    for asked in [
        "GET /forward-auth HTTP/1.1\r\nx-forwarded-method: POST\r\nx-forwarded-uri: /predict?a=1\r\n",
        "GET /auth-request HTTP/1.0\r\nconnection: keep-alive\r\nx-original-method: POST\r\nx-original-uri: /predict?a=1\r\n",
        "POST /ext-authz/predict?a=1 HTTP/1.1\r\ncontent-length: 0\r\n",
    ] {
        let answer = proxy.ask(asked, "192.0.2.1").await;
        assert_eq!((answer.status, answer.text()), (200, ""), "{asked}");
        assert!(answer.header("ratelimit").is_some_and(|told| told.starts_with("\"few\";r=")), "{asked}");
    }
    // All of them spent the quota of one client.
    assert_eq!(proxy.ask(FORWARDED, "192.0.2.1").await.status, 429);
    assert_eq!(proxy.ask(FORWARDED, "192.0.2.2").await.status, 200);
}

#[tokio::test]
async fn a_denial_has_the_status_that_each_proxy_passes_on() {
    let gateway = decisions("");
    let mut proxy = Proxy::of(&gateway).await;
    for _ in 0..3 {
        proxy.ask(FORWARDED, "192.0.2.1").await;
    }
    let caddy = proxy.ask(FORWARDED, "192.0.2.1").await;
    let nginx = proxy
        .ask(
            "GET /auth-request HTTP/1.1\r\nx-original-method: GET\r\nx-original-uri: /predict\r\n",
            "192.0.2.1",
        )
        .await;
    let envoy = proxy.ask("GET /ext-authz/predict HTTP/1.1\r\n", "192.0.2.1").await;
    assert_eq!([caddy.status, nginx.status, envoy.status], [429, 403, 429]);
    assert_eq!(nginx.header("sluicegate-status"), Some("429"));
    assert_eq!([&caddy, &envoy].map(|answer| answer.header("sluicegate-status")), [None, None]);
    for answer in [caddy, nginx, envoy] {
        assert!(answer.header("retry-after").is_some_and(|wait| wait.parse::<u32>().unwrap() > 20_000));
        assert!(answer.header("ratelimit").is_some());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.text().contains("quota-exceeded"), "{}", answer.text());
    }
    assert_eq!(
        metric(&gateway, "sluicegate_requests_total{route=\"/predict\",tier=\"default\",decision=\"deny\"}")
            .await,
        3
    );
}

#[tokio::test]
async fn nginx_makes_a_401_of_an_unknown_key_and_a_403_of_the_rest() {
    let gateway = decisions("[cors]\norigins = [\"https://app.example.com\"]\n");
    let mut proxy = Proxy::of(&gateway).await;
    let asked = |path: &str| {
        format!("GET /auth-request HTTP/1.1\r\nx-original-method: GET\r\nx-original-uri: {path}\r\n")
    };
    let answer = proxy.ask(asked("/a/../predict"), "192.0.2.1").await;
    assert_eq!((answer.status, answer.header("sluicegate-status")), (403, Some("400")));
    let preflight = "GET /auth-request HTTP/1.1\r\nx-original-method: OPTIONS\r\nx-original-uri: /predict\r\n\
                     origin: https://app.example.com\r\naccess-control-request-method: POST\r\n";
    // The application answers it.
    assert_eq!(proxy.ask(preflight, "192.0.2.1").await.status, 200);
}

#[tokio::test]
async fn what_the_store_cannot_decide_reaches_the_clients_of_envoy_as_429() {
    let policy = policy("[store]\nurl = \"redis://127.0.0.1:1\"\noutage = \"deny\"\n");
    let gateway = Gateway::start(policy).await.unwrap();
    let mut proxy = Proxy::of(&gateway).await;
    let caddy = proxy.ask(FORWARDED, "192.0.2.1").await;
    let envoy = proxy.ask("GET /ext-authz/predict HTTP/1.1\r\n", "192.0.2.1").await;
    assert_eq!([caddy.status, envoy.status], [503, 429]);
    assert!(caddy.header("retry-after").is_some() && envoy.header("retry-after").is_some());
}

#[tokio::test]
async fn clients_are_told_apart_by_what_the_proxy_saw() {
    let gateway = decisions("");
    let mut proxy = Proxy::of(&gateway).await;
    for forged in 1..=3 {
        let client = format!("10.0.0.{forged}, 192.0.2.1");
        assert_eq!(proxy.ask(FORWARDED, &client).await.status, 200);
    }
    assert_eq!(proxy.ask(FORWARDED, "10.0.0.4, 192.0.2.1").await.status, 429);
    // Other proxies before this one are believed as the policy says.
    assert_eq!(proxy.ask(FORWARDED, "192.0.2.1, 198.51.100.7").await.status, 429);
    assert_eq!(proxy.ask(FORWARDED, "192.0.2.9, 198.51.100.7").await.status, 200);
}

#[tokio::test]
async fn what_a_proxy_has_to_send_is_named_and_nothing_is_charged() {
    let gateway = decisions("");
    let mut proxy = Proxy::of(&gateway).await;
    for (asked, client, wrong) in [
        ("GET / HTTP/1.1\r\n", "192.0.2.1", "/forward-auth"),
        ("GET /forward-auth HTTP/1.1\r\nx-forwarded-method: GET\r\n", "192.0.2.1", "X-Forwarded-Uri"),
        ("GET /forward-auth HTTP/1.1\r\nx-forwarded-uri: /predict\r\n", "192.0.2.1", "X-Forwarded-Method"),
        (
            "GET /forward-auth HTTP/1.1\r\nx-forwarded-method: GET\r\nx-forwarded-uri: /predict\r\nx-forwarded-uri: /b\r\n",
            "192.0.2.1",
            "X-Forwarded-Uri",
        ),
        (
            "GET /forward-auth HTTP/1.1\r\nx-forwarded-method: GET\r\nx-forwarded-uri: http://a/predict\r\n",
            "192.0.2.1",
            "X-Forwarded-Uri",
        ),
        (FORWARDED, "unknown", "X-Forwarded-For"),
        (FORWARDED, "", "X-Forwarded-For"),
        ("GET /ext-authz/count HTTP/1.1\r\n", "192.0.2.1", "through the gateway"),
    ] {
        let answer = proxy.ask(asked, client).await;
        assert_eq!(answer.status, 400, "{asked}");
        assert!(answer.text().contains(wrong), "{asked}: {}", answer.text());
    }
    for _ in 0..3 {
        assert_eq!(proxy.ask(FORWARDED, "192.0.2.1").await.status, 200);
    }
}

#[tokio::test]
async fn a_body_that_is_announced_and_never_comes_is_not_waited_for() {
    let gateway = decisions("");
    let mut proxy = Proxy::of(&gateway).await;
    let asked = "GET /auth-request HTTP/1.1\r\nx-original-method: POST\r\nx-original-uri: /predict\r\ncontent-length: 10\r\n";
    let answer = proxy.ask(asked, "192.0.2.1").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(proxy.client.closed_cleanly().await);
}

#[tokio::test]
async fn a_slot_is_free_again_when_the_decision_is_made() {
    let gateway = decisions("");
    let mut proxy = Proxy::of(&gateway).await;
    for _ in 0..3 {
        assert_eq!(proxy.ask("GET /ext-authz/slot HTTP/1.1\r\n", "192.0.2.1").await.status, 200);
    }
}

#[tokio::test]
async fn callers_without_the_token_are_refused_and_the_token_goes_no_further() {
    let gateway = decisions("[decisions]\nlisten = \"127.0.0.1:0\"\ntoken = \"0123456789abcdef\"\n");
    let mut proxy = Proxy::of(&gateway).await;
    for token in ["", "sluicegate-token: wrong\r\n", "sluicegate-token: 0123456789abcdeg\r\n"] {
        let answer = proxy.ask(format!("{FORWARDED}{token}"), "192.0.2.1").await;
        assert_eq!(answer.status, 401);
        assert!(answer.text().contains("Sluicegate-Token"));
    }
    for _ in 0..3 {
        let asked = format!("{FORWARDED}sluicegate-token: 0123456789abcdef\r\n");
        assert_eq!(proxy.ask(asked, "192.0.2.1").await.status, 200);
    }
}

#[tokio::test]
async fn proxies_that_connect_by_tls_show_a_certificate_where_the_policy_wants_one() {
    let (authority, proxies, strangers) =
        (Authority::new("servers"), Authority::new("proxies"), Authority::new("strangers"));
    let mut policy = policy("");
    policy.decisions.as_mut().unwrap().tls =
        Some(TlsSettings { client_ca: Some(proxies.root()), ..authority.settings() });
    let gateway = at_once(Gateway::start(policy)).unwrap();
    let address = gateway.decisions_address().expect("the policy has one");
    for (shown, answered) in [(Some(proxies.sign()), true), (Some(strangers.sign()), false), (None, false)] {
        // With TLS 1.3, a client learns that it was refused when it reads.
        let status = match authority.try_connect(address, &["http/1.1"], shown).await {
            Ok(stream) => Client::over(stream).try_get("/").await,
            Err(_) => None,
        };
        assert_eq!(status, answered.then_some(400));
    }
    let by_http2 = authority.try_connect(address, &["h2"], Some(proxies.sign())).await.unwrap();
    assert_eq!(Client2::over(by_http2).await.get("/ext-authz/predict").await.status, 400);
}

#[tokio::test]
async fn decisions_and_clients_of_the_gateway_share_accounts() {
    let upstream = Upstream::start().await;
    let text = [ROUTES, "[decisions]\nlisten = \"127.0.0.1:0\"\n"].concat();
    let gateway = gateway_of(&text, upstream.address, |_| {});
    let mut proxy = Proxy::of(&gateway).await;
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/predict").await.status, 200);
    assert_eq!(proxy.ask(FORWARDED, "127.0.0.1").await.status, 200);
    assert_eq!(client.get("/predict").await.status, 200);
    assert_eq!(proxy.ask(FORWARDED, "127.0.0.1").await.status, 429);
    assert_eq!(client.get("/predict").await.status, 429);
}

#[tokio::test]
async fn a_drain_answers_what_is_on_its_way_and_closes() {
    let gateway = decisions("");
    let address = gateway.decisions_address().expect("the policy has one");
    let mut proxy = Proxy::of(&gateway).await;
    assert_eq!(proxy.ask(FORWARDED, "192.0.2.1").await.status, 200);
    assert_eq!(gateway.drain().await.cut, 0);
    assert!(proxy.client.closed_cleanly().await);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[test]
fn a_policy_with_neither_an_upstream_nor_decisions_does_not_start() {
    let mut policy = policy("");
    policy.decisions = None;
    assert!(matches!(at_once(Gateway::start(policy)), Err(StartError::NoUpstream)));
}

/// A proxy that asks, on one connection.
struct Proxy {
    client: Client,
}

impl Proxy {
    async fn of(gateway: &Gateway) -> Self {
        Self { client: Client::connect(gateway.decisions_address().expect("the policy has one")).await }
    }

    /// Asks about a request of a client at this address.
    async fn ask(&mut self, asked: impl AsRef<str>, client: &str) -> Answer {
        let asked = asked.as_ref();
        self.client.write(format!("{asked}host: decisions\r\nx-forwarded-for: {client}\r\n\r\n")).await;
        self.client.answer().await
    }
}

/// A gateway without an upstream.
fn decisions(more: &str) -> Gateway {
    at_once(Gateway::start(policy(more))).expect("loopback has free ports")
}

fn policy(more: &str) -> Policy {
    let decisions = if more.contains("[decisions]") { "" } else { "[decisions]\nlisten = \"127.0.0.1:0\"\n" };
    let text = [GATEWAY, ROUTES, decisions, more].concat();
    Policy::parse(&Source::new("test.toml", text.as_bytes()).expect("it is small")).expect("it is valid")
}

const FORWARDED: &str =
    "GET /forward-auth HTTP/1.1\r\nx-forwarded-method: GET\r\nx-forwarded-uri: /predict\r\n";

const GATEWAY: &str = r#"
    [gateway]
    admin = "127.0.0.1:0"
    threads = 1
    trusted_proxies = ["198.51.100.0/24"]
"#;

const ROUTES: &str = r#"
    [[route]]
    path = "/predict"
    limits = [{ name = "few", quota = "3/day" }]

    [[route]]
    path = "/slot"
    limits = [{ name = "slot", quota = "1 concurrent" }]

    [[route]]
    path = "/count"
    meter = { items = "/inputs" }
    limits = [{ name = "items", quota = "10 items/day" }]
"#;
