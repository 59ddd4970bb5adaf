//! Bodies pass byte for byte, streamed or read first.

use bytes::Bytes;

use crate::support::{
    Client, Scripted, Upstream, batch, gateway, gateway_with, in_flight_is_zero, noise, until,
};

const SIZES: [usize; 9] = [1, 10, 1_017, 65_535, 65_536, 65_537, 70_000, 300_000, 1_000_000];

#[tokio::test]
async fn a_body_with_a_length_passes_byte_for_byte() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for path in ["/echo", "/echo/chunked", "/read/echo"] {
        for size in SIZES.into_iter().chain([1 << 20]) {
            let body = noise(size);
            let answer = client.post(path, &body).await;
            assert_eq!(answer.status, 200, "{path} {size}");
            assert!(answer.body == body, "{path} {size}");
            assert!(upstream.seen().contains(&format!("content-length: {size}\n")), "{}", upstream.seen());
        }
    }
}

#[tokio::test]
async fn a_body_larger_than_max_body_streams_where_nothing_has_to_read_it() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let body = noise(3_000_000);
    assert!(client.post("/echo", &body).await.body == body);
}

#[tokio::test]
async fn a_chunked_body_passes_byte_for_byte() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for path in ["/echo", "/echo/chunked", "/read/echo"] {
        for size in SIZES {
            let body = noise(size);
            client
                .write(format!("POST {path} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n"))
                .await;
            for piece in body.chunks(9_973) {
                client.write(format!("{:x}\r\n", piece.len())).await;
                client.write(piece).await;
                client.write("\r\n").await;
            }
            client.write("0\r\n\r\n").await;
            let answer = client.answer().await;
            assert_eq!(answer.status, 200, "{path} {size}");
            assert!(answer.body == body, "{path} {size}");
        }
    }
}

#[tokio::test]
async fn a_body_that_must_be_read_and_is_too_large_is_413_and_never_reaches_the_upstream() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.max_body = 1_000);
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.post("/held/echo", &batch(1_001)).await.status, 413);
    assert_eq!(client.post("/held/echo", &batch(1_000)).await.status, 200, "the connection still serves");

    client.write("POST /read/echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.write("3e9\r\n").await;
    client.write(noise(1_001)).await;
    client.write("\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 413);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_client_that_sends_everything_before_reading_gets_its_413() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let answer = client.post("/held/echo", &batch(20_000_000)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.closed_cleanly().await);
}

#[tokio::test]
async fn a_client_that_goes_on_sending_after_its_413_is_not_reset() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /held/echo HTTP/1.1\r\nhost: test\r\ncontent-length: 20000000\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 413);
    assert!(client.closed_cleanly().await, "nothing more comes from the gateway");
    // By the time the only worker answers another client, it has done with this one whatever it does.
    assert_eq!(Client::connect(gateway.address()).await.get("/seen").await.status, 200);
    for _ in 0..20 {
        assert!(client.can_write(&noise(10_000)).await);
    }
}

#[tokio::test]
async fn an_upstream_that_answers_without_reading_the_body_is_heard() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for _ in 0..20 {
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.post("/early", &noise(8_000_000)).await.status, 413);
    }
    until(|| upstream.open() == 0).await;
}

#[tokio::test]
async fn a_client_that_waits_to_continue_is_told_so_by_the_gateway() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for path in ["/echo", "/read/echo"] {
        let mut client = Client::connect(gateway.address()).await;
        let head = "host: test\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
        client.write(format!("POST {path} HTTP/1.1\r\n{head}")).await;
        assert_eq!(client.head().await.status, 100, "{path}");
        client.write("hello").await;
        assert_eq!(client.answer().await.text(), "hello", "{path}");
        assert!(!upstream.seen().contains("expect"), "{}", upstream.seen());
    }
}

#[tokio::test]
async fn an_upstream_that_answers_before_the_body_is_heard_by_a_client_that_waited_to_send_it() {
    for status in [401, 417] {
        let upstream = Scripted::start().await;
        let gateway = gateway(upstream.address);
        let mut client = Client::connect(gateway.address()).await;
        let head = "host: test\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
        client.write(format!("POST /slot/a HTTP/1.1\r\n{head}")).await;
        let mut connection = upstream.accept().await;
        let request = connection.request(b"\r\n\r\n").await;
        assert!(!request.contains("expect"), "{request}");
        connection.write(&format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(client.head().await.status, 100, "the gateway wants the body at once");
        assert_eq!(client.answer().await.status, status);
        in_flight_is_zero(&gateway).await;
    }
}

#[tokio::test]
async fn a_denied_client_that_waits_to_continue_is_not_told_to() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/once").await.status, 200);
    let head = "host: test\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    client.write(format!("POST /once HTTP/1.1\r\n{head}")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (429, Some("close")));
    assert!(client.closed_cleanly().await);
}

#[tokio::test]
async fn each_event_of_a_stream_arrives_as_soon_as_it_is_sent() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /stream HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    assert_eq!(client.head().await.header("content-type"), Some("text/event-stream"));
    for number in 0..100 {
        let event = format!("data: {number}\n\n");
        // The next event is not sent before this one has arrived: nothing may wait for more.
        stream.send_data(Bytes::from(event.clone())).await.expect("the gateway reads");
        assert_eq!(client.chunk().await, Some(event.into_bytes()));
    }
    drop(stream);
    assert_eq!(client.chunk().await, None);
    assert_eq!(client.get("/seen").await.status, 200, "the connection still serves");
}
