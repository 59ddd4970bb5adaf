//! Bodies of which a decision needs the beginning: it is held, and the rest streams behind it.

use http::HeaderMap;
use sluicegate_gateway::Gateway;

use crate::support::{
    Client, Nobody, Scripted, Upstream, batch, gateway, gateway_of,
    http2::{Client2, pieces, post},
    in_flight_is_zero, noise,
};

const JSON: &str = r#"{"inputs":[{"name":"x","shape":[2,8]}]}"#;
const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n";

#[tokio::test]
async fn a_batch_passes_byte_for_byte_however_it_is_sent() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let client2 = Client2::connect(gateway.address()).await;
    for size in [25, 1_017, 65_535, 65_536, 70_000, 1_000_000] {
        let body = batch(size);
        assert!(client.post("/held/echo", &body).await.body == body, "{size}");
        assert!(client2.post("/held/echo", &body).await.body == body, "{size} by HTTP/2");
        let answer = client2.ask(post("/held/echo", pieces(&body, HeaderMap::new()))).await;
        assert!(answer.body == body, "{size} without a length");
    }
    in_flight_is_zero(&gateway).await;
}

/// The upstream gives back what it has while the client still sends: nothing but the beginning was waited for.
#[tokio::test]
async fn what_follows_the_part_that_is_needed_streams() {
    let upstream = Upstream::start().await;
    let gateway = before(&upstream);
    let start = JSON.len();
    let rows = [
        ("/tensors/echo/chunked", format!("inference-header-content-length: {start}\r\n"), JSON),
        ("/form/echo/chunked", "content-type: multipart/form-data; boundary=b\r\n".to_owned(), FORM),
        ("/read/echo/chunked", String::new(), ""),
    ];
    for (path, fields, beginning) in rows {
        let mut client = Client::connect(gateway.address()).await;
        // Far more than max_body.
        let tail = noise(300_000);
        let length = beginning.len() + tail.len();
        client
            .write(format!(
                "POST {path} HTTP/1.1\r\nhost: a\r\n{fields}content-length: {length}\r\n\r\n{beginning}"
            ))
            .await;
        // The parser of forms takes blocks of 1 KiB.
        let (first, last) = tail.split_at(2_000);
        client.write(first).await;
        assert_eq!(client.head().await.status, 200, "{path}");
        let expected = [beginning.as_bytes(), &tail].concat();
        let beginning = client.bytes(1_000).await;
        client.write(last).await;
        assert!([beginning, client.bytes(length - 1_000).await].concat() == expected, "{path}");
    }
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn without_a_length_and_by_http2_they_stream_too() {
    let upstream = Upstream::start().await;
    let gateway = before(&upstream);
    let client = Client2::connect(gateway.address()).await;
    for (path, name, value, beginning) in [
        ("/tensors/echo", "inference-header-content-length", JSON.len().to_string(), JSON),
        ("/form/echo", "content-type", "multipart/form-data; boundary=b".to_owned(), FORM),
    ] {
        let body = [beginning.as_bytes(), &noise(300_000)].concat();
        let mut request = post(path, pieces(&body, HeaderMap::new()));
        request.headers_mut().insert(name, value.parse().expect("a value"));
        let answer = client.ask(request).await;
        assert!(answer.status == 200 && answer.body == body, "{path}");
    }
}

#[tokio::test]
async fn a_beginning_that_was_held_goes_to_the_next_upstream_whole() {
    let (nobody, upstream) = (Nobody::new(), Upstream::start().await);
    let gateway = gateway_of(POLICY, nobody.address, |settings| {
        for address in [nobody.address, upstream.address] {
            settings.upstreams.push(format!("http://{address}").parse().expect("a URL"));
        }
        settings.upstreams.remove(0);
    });
    let mut client = Client::connect(gateway.address()).await;
    let body = [JSON.as_bytes(), &noise(50_000)].concat();
    for _ in 0..20 {
        let head = format!(
            "POST /tensors/echo HTTP/1.1\r\nhost: a\r\ninference-header-content-length: {}\r\ncontent-length: {}\r\n\r\n",
            JSON.len(),
            body.len()
        );
        client.write(head).await;
        client.write(&body).await;
        let answer = client.answer().await;
        assert!(answer.status == 200 && answer.body == body);
    }
}

#[tokio::test]
async fn a_body_that_is_shorter_than_announced_is_not_taken_for_whole() {
    let upstream = Scripted::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /read/x HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\nhalf").await;
    let mut connection = upstream.accept().await;
    let seen = connection.request(b"half").await;
    assert!(seen.to_ascii_lowercase().contains("content-length: 900"), "{seen}");
    client.half_close().await;
    // The upstream waits for the rest, and is told that there is none.
    connection.closed().await;
    assert_eq!(client.answer().await.status, 400);
}

#[tokio::test]
async fn what_follows_an_announced_body_is_the_next_request() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /read/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcPOST /nowhere").await;
    client.write(" HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "abc");
    assert!(client.answer().await.text().starts_with("POST /nowhere"));
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn a_request_without_a_body_passes_where_bodies_are_metered() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let client2 = Client2::connect(gateway.address()).await;
    assert_eq!(client.get("/held/seen").await.status, 200);
    assert_eq!(client2.get("/held/seen").await.status, 200);
    client.write("OPTIONS /held/seen HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.post("/held/seen", b"").await.status, 400);
    assert_eq!(client2.post("/held/seen", b"").await.status, 400);
}

fn before(upstream: &Upstream) -> Gateway {
    gateway_of(POLICY, upstream.address, |_| {})
}

const POLICY: &str = r#"
    max_body = "2KiB"

    [[route]]
    path = "/read/{*rest}"
    meter = "bytes"
    limits = ["100000000 bytes/day"]

    [[route]]
    path = "/tensors/{*rest}"
    meter = "kserve"
    limits = ["1000 items/day"]

    [[route]]
    path = "/form/{*rest}"
    limits = [{ quota = "100/day", key = "body:model" }]
"#;
