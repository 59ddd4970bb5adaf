//! Targets that servers accept and the HTTP library does not, and heads that nobody can accept.

use bytes::Bytes;

use crate::support::{
    Client, Scripted, Upstream, gateway, gateway_of, gateway_with,
    http2::{END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, frame},
    metric, soon,
    tls::Authority,
};

const REFUSED: &str = r#"sluicegate_requests_total{route="unmatched",tier="default",decision="refuse"}"#;

/// Each with what the upstream is asked for.
const TARGETS: [(&[u8], &str); 8] = [
    (b"/seen?f={\"a\":1}", "/seen?f={%22a%22:1}"),
    (b"/seen?<x>=`", "/seen?%3Cx%3E=`"),
    (b"/seen/`a`/<b>/\"c\"", "/seen/%60a%60/%3Cb%3E/\"c\""),
    (b"/seen?q=\xff\xfe_", "/seen?q=%FF%FE_"),
    (b"/seen/\xe9?q=\xc3\xa9", "/seen/%E9?q=\u{e9}"),
    (b"http://other/seen?\"", "/seen?%22"),
    (b"/seen?%22_\"", "/seen?%22_%22"),
    (b"/seen", "/seen"),
];

fn head(target: &[u8], fields: &str) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nhost: a\r\nx-plain: \"<`>\xff\r\n", fields.as_bytes(), b"\r\n"].concat()
}

#[tokio::test]
async fn what_servers_accept_reaches_the_upstream_with_the_same_meaning() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for (target, spelled) in TARGETS {
        client.write(head(target, "")).await;
        assert_eq!(client.answer().await.status, 200, "{}", target.escape_ascii());
        let seen = upstream.seen();
        assert!(seen.starts_with(&format!("GET {spelled}\n")), "{}: {seen}", target.escape_ascii());
        assert!(seen.contains("\nx-plain: \"<`>\u{fffd}\n"), "fields are left alone: {seen}");
    }
}

#[tokio::test]
async fn however_a_head_arrives_it_is_read_alike() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for (target, spelled) in TARGETS {
        for byte in head(target, "") {
            client.write([byte]).await;
        }
        assert_eq!(client.answer().await.status, 200, "{}", target.escape_ascii());
        assert!(upstream.seen().starts_with(&format!("GET {spelled}\n")), "{}", upstream.seen());
    }
    client.write("\r\n\r\n").await;
    client.write(head(b"/seen?\"", "")).await;
    assert_eq!(client.answer().await.status, 200, "empty lines may come first");
}

#[tokio::test]
async fn requests_of_every_kind_may_come_before_on_a_connection() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for before in [
        "GET /once HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /once HTTP/1.1\r\nhost: a\r\n\r\n",
        "HEAD /seen HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        "POST /read/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST /read/echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
    ] {
        client.write(before).await;
        if before.starts_with("HEAD") {
            client.head().await
        } else {
            client.answer().await
        };
        client.write(head(b"/seen?\"", "")).await;
        assert_eq!(client.answer().await.status, 200, "after {before}");
        assert!(upstream.seen().starts_with("GET /seen?%22\n"), "after {before}: {}", upstream.seen());
    }
}

#[tokio::test]
async fn a_body_that_looks_like_a_head_stays_as_it_is() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let body = "GET /seen?\"<>` HTTP/1.1\r\nhost: a\r\n\r\n";
    let sized = format!("content-length: {}\r\n", body.len());
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for path in ["/echo", "/read/echo"] {
        for (fields, sent) in [(sized.as_str(), body), ("transfer-encoding: chunked\r\n", chunks.as_str())] {
            for expect in ["", "expect: 100-continue\r\n"] {
                let mut client = Client::connect(gateway.address()).await;
                let head = format!("POST {path}?\" HTTP/1.1\r\nhost: a\r\n{fields}{expect}\r\n");
                // All at once, then apart, then byte by byte.
                if expect.is_empty() {
                    client.write([&head, sent].concat()).await;
                    assert_eq!(client.answer().await.text(), body);
                }
                client.write(&head).await;
                if !expect.is_empty() {
                    assert_eq!(client.head().await.status, 100);
                }
                client.write(sent).await;
                assert_eq!(client.answer().await.text(), body);
                client.write(&head).await;
                if !expect.is_empty() {
                    assert_eq!(client.head().await.status, 100);
                }
                for byte in sent.bytes() {
                    client.write([byte]).await;
                }
                assert_eq!(client.answer().await.text(), body);
            }
        }
    }
}

#[tokio::test]
async fn what_another_protocol_sends_stays_as_it_is() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let ask = "GET /socket?\" HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let agree = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let early = "GET /seen?\"<> HTTP/1.1\r\n\r\n";
    let mut client = Client::connect(gateway.address()).await;
    client.write(ask).await;
    let mut connection = upstream.accept().await;
    let request = connection.request(b"\r\n\r\n").await;
    assert!(request.starts_with("get /socket?%22 http/1.1\r\n"), "{request}");
    // Before the upstream agrees, and afterwards.
    client.write(early).await;
    connection.write(agree).await;
    assert_eq!(client.head().await.status, 101);
    client.write(early).await;
    let sent = [early, early].concat();
    assert_eq!(connection.request(sent.as_bytes()).await.len(), sent.len());
}

/// Requests that are sent ahead are in the library's hands before anybody knows that they begin: served or refused, they are
/// answered, each once, and nothing is taken for something else.
#[tokio::test]
async fn a_request_that_is_sent_ahead_is_served_or_refused_as_any_other() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for first in [
        "GET /seen HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /seen?\" HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /echo?\" HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    ] {
        let mut client = Client::connect(gateway.address()).await;
        client.write([first.as_bytes(), &head(b"/seen?\"", "connection: close\r\n")].concat()).await;
        assert_eq!(client.answer().await.status, 200, "{first}");
        let second = client.answer().await;
        match second.status {
            200 => assert!(second.text().starts_with("GET /seen?%22\n"), "{}", second.text()),
            _ => assert_eq!(
                (second.status, second.header("content-type")),
                (400, Some("application/problem+json"))
            ),
        }
        assert!(client.rest().await.is_empty(), "{first}");
    }
}

#[tokio::test]
async fn a_request_that_is_sent_while_another_is_answered_is_read_as_any_other() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    client.head().await;
    client.write(head(b"/seen?\"", "")).await;
    stream.send_data(Bytes::from("GET /?\" HTTP/1.1\r\n")).await.expect("the gateway reads");
    assert_eq!(client.chunk().await.as_deref(), Some(&b"GET /?\" HTTP/1.1\r\n"[..]));
    drop(stream);
    assert_eq!(client.chunk().await, None);
    assert_eq!(client.answer().await.status, 200);
    assert!(upstream.seen().starts_with("GET /seen?%22\n"), "{}", upstream.seen());
}

#[tokio::test]
async fn long_targets_pass_until_they_are_too_long() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for length in [8_150, 8_192, 16_384, 21_000] {
        let target = ["/seen?", &"\"".repeat(length)].concat();
        client.write(head(target.as_bytes(), "")).await;
        assert_eq!(client.answer().await.status, 200, "{length}");
        assert!(upstream.seen().starts_with(&format!("GET /seen?{}\n", "%22".repeat(length))), "{length}");
    }
    let target = ["/seen?", &"<".repeat(30_000)].concat();
    client.write(head(target.as_bytes(), "")).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 414);
    assert!(answer.text().contains("\"code\":\"target_too_long\""), "{}", answer.text());
    assert_eq!(client.get("/seen").await.status, 200, "the next one is served");
    assert_eq!(upstream.requests(), 5);
}

/// A key that reads the query finds the value that the client meant, however it is spelled.
#[tokio::test]
async fn both_spellings_of_a_value_have_one_account() {
    let upstream = Upstream::start().await;
    let policy = r#"
        [[route]]
        path = "/seen"
        limits = [{ name = "each", quota = "1/day", key = "query:q" }]
    "#;
    let gateway = gateway_of(policy, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for (target, status) in [
        (&b"/seen?q=\"a\""[..], 200),
        (b"/seen?q=%22a%22", 429),
        (b"/seen?q=\"a\"", 429),
        (b"/seen?q=<b>", 200),
        (b"/seen?q=%3Cb%3e", 429),
    ] {
        client.write(head(target, "")).await;
        assert_eq!(client.answer().await.status, status, "{}", target.escape_ascii());
    }
}

#[tokio::test]
async fn every_head_that_is_refused_is_answered_with_a_problem_and_counted() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let padding = "a".repeat(100_000);
    let fields = "x: y\r\n".repeat(101);
    let refused = [
        ("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        ("G\"T / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET \"/ HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET / HTTP/2.5\r\nhost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET / HTTP/1.1\r\nno field\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET / HTTP/1.1\r\nx: \0\r\n\r\n".to_owned(), 400, "bad_request"),
        ("CONNECT a\"b:443 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET http://a<b>/ HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n".to_owned(), 400, "bad_request"),
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), 400, "bad_request"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {padding}\r\n\r\n"), 431, "head_too_large"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"), 431, "head_too_large"),
    ];
    let before = metric(&gateway, REFUSED).await;
    for (index, (head, status, code)) in (1..).zip(&refused) {
        for earlier in [0, 1] {
            let mut client = Client::connect(gateway.address()).await;
            if earlier == 1 {
                assert_eq!(client.get("/seen").await.status, 200);
            }
            client.write(head).await;
            let answer = client.answer().await;
            let shown = &head[..head.len().min(60)];
            assert_eq!(answer.status, *status, "{shown}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{shown}");
            assert_eq!(answer.header("connection"), Some("close"), "{shown}");
            assert!(
                answer.header("x-request-id").is_some() && answer.header("date").is_some(),
                "{}",
                answer.head
            );
            assert!(answer.text().contains(&format!("\"code\":\"{code}\"")), "{shown}: {}", answer.text());
            assert!(client.closed_cleanly().await, "{shown}");
            assert_eq!(metric(&gateway, REFUSED).await, before + 2 * (index - 1) + 1 + earlier, "{shown}");
        }
    }
    assert_eq!(upstream.requests(), refused.len());
}

#[tokio::test]
async fn by_tls_targets_and_refusals_are_the_same() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let mut client = Client::over(authority.connect(gateway.address(), &["http/1.1"]).await);
    client.write(head(b"/seen?\"", "")).await;
    assert_eq!(client.answer().await.status, 200);
    assert!(upstream.seen().starts_with("GET /seen?%22\n"), "{}", upstream.seen());
    client.write("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")));
    assert!(client.closed_cleanly().await);
}

/// HTTP/2 is read by a library that resets such streams and tells nobody; at least they are counted.
#[tokio::test]
async fn by_http_2_what_the_library_refuses_is_reset_and_counted() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut frames = Frames::connect(gateway.address()).await;
    let mut stream = 1;
    let malformed = "sluicegate_http2_malformed_streams_total";
    for (path, is_served) in [
        ("/seen", true),
        ("/a?\"", false),
        ("/a?<>", false),
        ("/`", false),
        ("/seen?%22", true),
        ("a b", false),
    ] {
        let length = u8::try_from(path.len()).expect("it is short");
        // The path is spelled out and not indexed.
        let head = [&[0x82, 0x86, 0x41, 1, b'a', 0x04, length][..], path.as_bytes()].concat();
        let before = metric(&gateway, malformed).await;
        frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)).await;
        let answer = loop {
            let frame = frames.read().await.expect("the connection stays");
            if frame.stream == stream && matches!(frame.kind, HEADERS | RST_STREAM) {
                break frame;
            }
        };
        assert_eq!(answer.kind == HEADERS, is_served, "{path}");
        assert!(is_served || answer.code() == 1, "{path}: {answer:?}");
        // It is counted when it has been sent.
        let is_counted =
            async { while metric(&gateway, malformed).await != before + u64::from(!is_served) {} };
        soon(is_counted).await;
        stream += 2;
    }
    assert_eq!(upstream.requests(), 2);
}
