//! Upstreams that refuse, and what clients are told of retries.

use std::time::Duration;

use crate::support::{
    Client, Scripted, Silent, Upstream, client::Answer, gateway_of, gateway_with, http2::Client2, metric,
    metrics,
};

const POLICY: &str = r#"
    [defaults]
    retry_after = "9s"

    [[route]]
    path = "/busy"
    retry_after = "5s"
    limits = [{ name = "many", quota = "100/day" }]

    [[route]]
    path = "/other"

    [[route]]
    path = "/hang"
    response_timeout = "30ms"

    [[route]]
    path = "/read/hang"
    timeout = "30ms"
"#;

/// The answer to a client where the upstream answers these lines, with a body.
async fn answered(client: &mut Client, upstream: &Scripted, path: &str, lines: &str) -> Answer {
    client.write(format!("GET {path} HTTP/1.1\r\nhost: a\r\nx-request-id: 1\r\n\r\n")).await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    let head = format!("HTTP/1.1 {lines}\r\nconnection: close\r\ncontent-length: 4\r\n\r\n");
    connection.write(&[&head, "busy"].concat()).await;
    client.answer().await
}

#[tokio::test]
async fn a_refusal_without_a_time_gets_that_of_the_route_or_of_all() {
    let upstream = Scripted::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for status in ["408 Request Timeout", "429 Slow Down", "503 Busy", "504 Late", "529 Overloaded"] {
        for (path, seconds) in [("/busy", "5"), ("/other", "9"), ("/unmatched", "9")] {
            let answer = answered(&mut client, &upstream, path, status).await;
            assert_eq!(answer.header("retry-after"), Some(seconds), "{status} at {path}");
            assert_eq!((answer.header("x-should-retry"), answer.text()), (None, "busy"));
        }
        let name =
            format!("sluicegate_upstream_refusals_total{{route=\"/busy\",status=\"{}\"}}", &status[..3]);
        assert_eq!(metric(&gateway, &name).await, 1);
    }
    for status in ["200 OK", "302 Found", "400 Bad", "413 Large", "500 Broken", "502 Bad Gateway"] {
        let answer = answered(&mut client, &upstream, "/busy", status).await;
        assert_eq!(answer.header("retry-after"), None, "{status}");
    }
    let counted = metrics(&gateway).await;
    let counted = counted.lines().filter(|line| line.starts_with("sluicegate_upstream_refusals_total{"));
    assert_eq!(counted.count(), 5 * 5, "the refusals alone, for each route");
}

#[tokio::test]
async fn all_else_of_an_upstreams_answer_stays_as_it_is() {
    let upstream = Scripted::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    let lines =
        "429 Too Many Requests\r\nretry-after: 7\r\nx-ratelimit-reset: 3\r\nratelimit: \"own\";r=0;t=7";
    let answer = answered(&mut client, &upstream, "/busy", lines).await;
    let expected = "http/1.1 429 too many requests\r\nretry-after: 7\r\nx-ratelimit-reset: 3\r\nratelimit: \"own\";r=0;t=7\r\n\
                    ratelimit: \"many\";r=99;t=85536\r\ncontent-length: 4\r\nx-request-id: 1\r\n\
                    ratelimit-policy: \"many\";q=100;w=86400\r\n";
    assert!(answer.head.starts_with(expected), "{}\n{expected}", answer.head);
    for (line, should_retry) in [
        ("retry-after: 60", None),
        ("retry-after: 61", Some("false")),
        ("retry-after: Wed, 21 Oct 2099 07:28:00 GMT", Some("false")),
        ("retry-after-ms: 60000", None),
        ("retry-after-ms: 60001", Some("false")),
    ] {
        for status in ["429 Slow Down", "500 Broken", "400 Bad"] {
            let answer = answered(&mut client, &upstream, "/other", &format!("{status}\r\n{line}")).await;
            assert_eq!(answer.header("x-should-retry"), should_retry, "{status}: {line}");
            assert!(answer.head.contains(&line.to_ascii_lowercase()), "{}", answer.head);
        }
        let answer = answered(&mut client, &upstream, "/other", &format!("202 Accepted\r\n{line}")).await;
        assert_eq!(answer.header("x-should-retry"), None, "no error is retried: {line}");
    }
}

#[tokio::test]
async fn it_is_so_by_http_2_on_both_sides() {
    let upstream = Upstream::start_http2(10).await;
    upstream.become_unwell();
    let gateway = gateway_of("[defaults]\nretry_after = \"90s\"", upstream.address, |settings| {
        settings.upstreams = vec![upstream.url().parse().expect("a URL")];
    });
    let answer = Client2::connect(gateway.address()).await.get("/health").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["retry-after"]),
        (503, &"90".parse().expect("valid"))
    );
    assert_eq!(answer.headers["x-should-retry"], "false");
}

#[tokio::test]
async fn work_that_took_too_long_is_not_to_be_begun_again() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for path in ["/hang", "/read/hang"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("x-should-retry")), (504, Some("false")), "{path}");
        assert_eq!(answer.header("retry-after"), None, "it is no refusal of the upstream");
        let call = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n"
        );
        client.write(call).await;
        assert_eq!(client.answer().await.header("grpc-retry-pushback-ms"), Some("-1"), "{path}");
    }
    let refusals = "sluicegate_upstream_refusals_total{route=\"/hang\",status=\"504\"}";
    assert_eq!(metric(&gateway, refusals).await, 0, "it was our own");
}

#[tokio::test]
async fn what_did_not_reach_the_upstream_may_be_tried_again() {
    let silent = Silent::start().await;
    let gateway =
        gateway_with(silent.address, |settings| settings.connect_timeout = Duration::from_millis(30));
    let late = Client::connect(gateway.address()).await.get("/seen").await;
    assert_eq!((late.status, late.header("x-should-retry")), (504, None));

    let mut upstream = Upstream::start().await;
    upstream.stop().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    for path in ["/seen", "/busy"] {
        let down = Client::connect(gateway.address()).await.get(path).await;
        assert_eq!(
            (down.status, down.header("x-should-retry"), down.header("retry-after")),
            (502, None, None)
        );
    }
}
