//! Clients of HTTP/2 that cost the gateway more than themselves.

use std::time::Duration;

use http::HeaderValue;

use crate::support::{
    Client, Upstream, gateway, gateway_with,
    http2::{
        ACK, Client2, END_HEADERS, END_STREAM, Frames, GET, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE,
        frame, get,
    },
    in_flight_is_zero, metric, soon, until,
};

const REFUSED: &str = "sluicegate_refused_connections_total{reason=\"http2_max_resets\"}";

/// The ways to end a request: the client resets the stream, or makes the gateway do so with a window that is
/// too large.
fn endings(stream: u32) -> [Vec<u8>; 2] {
    [
        frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
        frame(WINDOW_UPDATE, 0, stream, &0x7FFF_FFFF_u32.to_be_bytes()),
    ]
}

/// The head of `GET /hang`.
fn hang() -> Vec<u8> {
    [&[0x82, 0x86, 0x41, 1, b'a', 0x04, 5][..], b"/hang"].concat()
}

#[tokio::test]
async fn requests_that_are_given_up_one_by_one_end_the_connection_too() {
    for which in 0..2 {
        let upstream = Upstream::start().await;
        let gateway = gateway_with(upstream.address, |settings| settings.http2_max_resets = 30);
        let mut frames = Frames::connect(gateway.address()).await;
        let mut streams = (1..).step_by(2);
        for begun in 1..=31 {
            let stream = streams.next().expect("there are enough");
            frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &hang())).await;
            // Each of them gets as far as the upstream.
            until(|| upstream.requests() == begun).await;
            frames.write(&endings(stream)[which]).await;
            until(|| upstream.running() == 0).await;
        }
        soon(async { while frames.read().await.is_some() {} }).await;
        assert_eq!(metric(&gateway, REFUSED).await, 1);
        until(|| upstream.running() == 0 && upstream.open() == 0).await;
        in_flight_is_zero(&gateway).await;
    }
}

#[tokio::test]
async fn a_client_that_gives_up_now_and_then_and_has_answers_goes_on() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.http2_max_resets = 30);
    let client = Client2::connect(gateway.address()).await;
    for _ in 0..30 {
        let request = tokio::spawn(client.sending(get("/hang")));
        until(|| upstream.running() == 1).await;
        request.abort();
        until(|| upstream.running() == 0).await;
        for path in ["/seen", "/nothing", "/echo/chunked", "/break"] {
            client.get(path).await;
        }
        assert!(client.get("/once").await.headers.contains_key("ratelimit"));
    }
    assert_eq!(metric(&gateway, REFUSED).await, 0);
}

#[tokio::test]
async fn a_client_that_does_not_hear_that_its_connection_ends_is_cut() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        settings.client_keep_alive = Duration::from_millis(50);
        settings.header_timeout = Duration::from_millis(50);
    });
    let mut frames = Frames::connect(gateway.address()).await;
    frames
        .write(&[frame(SETTINGS, ACK, 0, &[]), frame(HEADERS, END_HEADERS | END_STREAM, 1, GET)].concat())
        .await;
    // The gateway asks by a PING whether its GOAWAY has been read, and this client never answers.
    while frames.read().await.is_some() {}
    soon(async { while metric(&gateway, "sluicegate_connections").await != 0 {} }).await;
}

#[tokio::test]
async fn a_head_may_have_so_many_fields_and_so_many_bytes() {
    let upstream = Upstream::start().await;
    for (most, bytes) in [(100, 32 * 1024), (150, 100 * 1024), (20, 2 * 1024)] {
        let gateway = gateway_with(upstream.address, |settings| {
            (settings.max_headers, settings.max_head) = (most, bytes);
        });
        let before = upstream.requests();
        let two = Client2::connect(gateway.address()).await;
        for (fields, value, status) in [
            (most - 1, 1, 200),
            (most + 1, 1, 431),
            (2, bytes as usize - 1_000, 200),
            (2, bytes as usize + 1, 431),
        ] {
            let mut lines = String::from("host: a\r\n");
            let mut request = get("/nothing");
            // In the place of the host, which is no field of HTTP/2.
            request.headers_mut().insert("x-0", HeaderValue::from_static("v"));
            for number in 1..fields {
                let value = if number == 1 { "v".repeat(value) } else { "v".to_owned() };
                lines.push_str(&format!("x-{number}: {value}\r\n"));
                let name: http::HeaderName = format!("x-{number}").parse().expect("a name");
                request.headers_mut().insert(name, HeaderValue::try_from(value).expect("a value"));
            }
            let mut one = Client::connect(gateway.address()).await;
            one.write(format!("GET /seen HTTP/1.1\r\n{lines}\r\n")).await;
            let told = format!("{fields} fields, one of {value} bytes");
            assert_eq!(one.answer().await.status, status, "{told}, by HTTP/1.1");
            let answered = two.send(request).await.expect("it is answered").status();
            assert_eq!(answered == 431, status == 431, "{told}, by HTTP/2: {answered}");
        }
        assert_eq!(upstream.requests() - before, 4);
    }
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    // Of nothing, of small fields, and of a large one that the table makes small.
    let small = [0x00, 1, b'x', 1, b'y'].repeat(100);
    let large = [&[0x40, 1, b'z', 0x7F, 0x81, 0x1E][..], &[b'v'; 4_000]].concat();
    let indexed = vec![0xBE; 16_000];
    for (first, then) in [(&b""[..], &b""[..]), (b"", &small), (&large, &indexed)] {
        let frames = Frames::connect(gateway.address()).await;
        let mut flood = frame(HEADERS, END_STREAM, 1, &[GET, first].concat());
        for _ in 0..10_000_usize.min(20_000_000 / (then.len() + 9)) {
            flood.extend(frame(9, 0, 1, then));
        }
        assert!(frames.go_away_while(&flood).await.is_some());
    }
    assert_eq!(upstream.requests(), 0);
    assert_eq!(Client2::connect(gateway.address()).await.get("/seen").await.status, 200);
}
