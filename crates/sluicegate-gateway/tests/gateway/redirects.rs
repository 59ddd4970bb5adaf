//! Redirects and cookies in which an upstream names itself.

use sluicegate_policy::GatewaySettings;

use crate::support::{Client, Scripted, client::Answer, gateway_with, scripted::Connection};

/// Returns what a client gets of an upstream's answer with `lines`, through a gateway whose upstream's URL ends with `base`, and which is
/// told its own host if it is said so.
async fn answered(lines: &str, base: &str, host: bool, change: impl FnOnce(&mut GatewaySettings)) -> Answer {
    let upstream = Scripted::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        let url = format!("http://{}{base}", upstream.address);
        let told: sluicegate_policy::Upstream = url.parse().expect("a URL");
        let authority = told.authority();
        settings.upstreams = vec![if host { told.with_host(authority) } else { told }];
        change(settings);
    });
    let mut client = Client::connect(gateway.address()).await;
    let exchange = async {
        let mut connection: Connection = upstream.accept().await;
        connection.request(b"\r\n\r\n").await;
        let lines = lines.replace("UPSTREAM", &upstream.address.to_string());
        connection.write(&format!("HTTP/1.1 302 Found\r\n{lines}content-length: 0\r\n\r\n")).await;
        connection
    };
    let (answer, _connection) = tokio::join!(client.get("/a"), exchange);
    assert_eq!(answer.status, 302);
    answer
}

const ALL: &str = "location: http://UPSTREAM/next?a=1\r\ncontent-location: //UPSTREAM/here\r\n\
                   refresh: 5; url=http://UPSTREAM/soon\r\nlink: <http://UPSTREAM/2>; rel=next\r\n\
                   set-cookie: a=1; domain=127.0.0.1; path=/\r\nset-cookie: b=2; path=/x\r\n";

#[tokio::test]
async fn a_client_is_led_back_through_the_gateway() {
    let answer = answered(ALL, "", true, |_| {}).await;
    for (name, value) in [
        ("location", "/next?a=1"),
        ("content-location", "/here"),
        ("refresh", "5; url=/soon"),
        ("link", "</2>; rel=next"),
        ("set-cookie", "a=1; path=/"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{}", answer.head);
    }
    assert!(answer.head.contains("set-cookie: b=2; path=/x\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn a_base_path_is_not_what_clients_see() {
    let lines = "location: /api/v2/next\r\nset-cookie: a=1; path=/api/v2\r\nlink: </api/v2/2>; rel=next\r\n";
    let answer = answered(lines, "/api/v2", false, |_| {}).await;
    assert_eq!(answer.header("location"), Some("/next"));
    assert_eq!(answer.header("set-cookie"), Some("a=1; path=/"));
    assert_eq!(answer.header("link"), Some("</2>; rel=next"));
    // The client's own host, of which an upstream makes URLs that is told no other.
    let answer = answered("location: http://localhost/api/v2/next\r\n", "/api/v2", false, |_| {}).await;
    assert_eq!(answer.header("location"), Some("http://localhost/next"));
}

#[tokio::test]
async fn others_and_upstreams_that_know_what_clients_know_are_left_alone() {
    let elsewhere =
        "location: https://elsewhere.example/next\r\nset-cookie: a=1; domain=elsewhere.example\r\n";
    let answer = answered(elsewhere, "/api", true, |_| {}).await;
    assert_eq!(answer.header("location"), Some("https://elsewhere.example/next"));
    assert_eq!(answer.header("set-cookie"), Some("a=1; domain=elsewhere.example"));
    let answer = answered(ALL, "", false, |_| {}).await;
    assert!(answer.header("location").expect("it redirects").starts_with("http://127.0.0.1:"));
    assert_eq!(answer.header("set-cookie"), Some("a=1; domain=127.0.0.1; path=/"));
}

#[tokio::test]
async fn nothing_is_mapped_where_the_policy_says_so() {
    let answer = answered(ALL, "", true, |settings| settings.rewrite_redirects = false).await;
    assert!(answer.header("location").expect("it redirects").starts_with("http://127.0.0.1:"));
}
