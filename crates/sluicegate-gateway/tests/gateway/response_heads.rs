//! Heads of an upstream's responses: how large they may be, and what becomes of those that are no HTTP.

use std::future::pending;

use http::{HeaderName, Response};
use sluicegate_policy::GatewaySettings;
use tokio::net::TcpListener;

use crate::support::{
    Client, Scripted, gateway_with,
    http2::{Client2, get},
    soon,
};

/// A response with so many fields of so many bytes, beside its length.
fn response(fields: usize, bytes: usize) -> String {
    let value = "v".repeat(bytes);
    let fields: String = (0..fields).map(|number| format!("x-{number}: {value}\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\n{fields}content-length: 5\r\n\r\nhello")
}

/// Returns what a client of HTTP/1.1 gets when the upstream sends this response.
async fn told(response: &str, change: impl FnOnce(&mut GatewaySettings)) -> String {
    let upstream = Scripted::start().await;
    let gateway = gateway_with(upstream.address, change);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let (told, ()) = tokio::join!(client.rest(), upstream.answer_once(response));
    String::from_utf8(told).expect("ASCII")
}

fn is_refused(told: &str) -> bool {
    told.starts_with("HTTP/1.1 502 ") && told.contains(r#""code":"upstream_invalid""#)
}

#[tokio::test]
async fn a_thousand_fields_pass_and_no_more() {
    let passed = told(&response(999, 1), |_| {}).await;
    assert!(passed.starts_with("HTTP/1.1 200 ") && passed.contains("x-998: v\r\n"), "{passed}");
    assert!(is_refused(&told(&response(1_000, 1), |_| {}).await));
}

#[tokio::test]
async fn how_many_fields_and_bytes_pass_is_a_setting() {
    let few = |settings: &mut GatewaySettings| settings.max_response_headers = 100;
    assert!(told(&response(99, 1), few).await.starts_with("HTTP/1.1 200 "));
    assert!(is_refused(&told(&response(100, 1), few).await));
    let many = |settings: &mut GatewaySettings| settings.max_response_headers = 3_000;
    assert!(told(&response(2_999, 1), many).await.starts_with("HTTP/1.1 200 "));

    let large = response(20, 10_000);
    assert!(is_refused(&told(&large, |_| {}).await));
    let much = |settings: &mut GatewaySettings| settings.max_response_head = 256 * 1024;
    assert!(told(&large, much).await.starts_with("HTTP/1.1 200 "));
    let little = |settings: &mut GatewaySettings| settings.max_response_head = 8 * 1024;
    assert!(is_refused(&told(&response(9, 1_000), little).await));
    assert!(told(&response(7, 1_000), little).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_head_of_many_fields_frames_its_body_as_any_other() {
    let cookies: String = (0..150).map(|number| format!("Set-Cookie: c{number}=1\r\n")).collect();
    let chunks = "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let chunked = told(&format!("HTTP/1.1 200 Fine\r\n{cookies}{chunks}"), |_| {}).await;
    assert!(chunked.starts_with("HTTP/1.1 200 Fine\r\n"), "{chunked}");
    assert_eq!(chunked.matches("set-cookie: c").count(), 150, "{chunked}");
    assert!(chunked.contains("set-cookie: c0=1\r\nset-cookie: c1=1\r\n"), "in their order: {chunked}");
    assert!(chunked.ends_with("5\r\nhello\r\n0\r\n\r\n") && !chunked.contains("content-length"), "{chunked}");
    let closed = told(&format!("HTTP/1.1 200 OK\r\n{cookies}Connection: close\r\n\r\nhello"), |_| {}).await;
    assert!(closed.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{closed}");
    let lengths = "content-length: 5\r\ncontent-length: 6\r\n\r\nhello";
    let conflicting = told(&format!("HTTP/1.1 200 OK\r\n{cookies}{lengths}"), |_| {}).await;
    assert!(is_refused(&conflicting));
}

#[tokio::test]
async fn heads_pass_however_they_arrive_and_leave_their_connection_as_it_was() {
    let upstream = Scripted::start().await;
    let gateway = gateway_with(upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    for (number, response) in
        [response(3, 1), response(200, 1), response(3, 1), response(200, 60)].iter().enumerate()
    {
        if number > 0 {
            client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        }
        connection.request(b"\r\n\r\n").await;
        for at in (0..response.len()).step_by(1 + response.len() / 30) {
            connection.write(&response[at..response.len().min(at + 1 + response.len() / 30)]).await;
        }
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!(
            answer.head.matches("\r\nx-").count() - 1,
            response.matches("\r\nx-").count(),
            "{}",
            answer.head
        );
    }
}

#[tokio::test]
async fn many_fields_pass_to_clients_of_http_2() {
    let upstream = Scripted::start().await;
    let gateway = gateway_with(upstream.address, |_| {});
    let client = Client2::connect(gateway.address()).await;
    let response = response(150, 1);
    let (answer, ()) = tokio::join!(client.get("/"), upstream.answer_once(&response));
    assert_eq!((answer.status.as_u16(), &answer.headers["x-149"]), (200, &"v".parse().expect("a value")));
}

#[tokio::test]
async fn an_upstream_of_http_2_is_bounded_as_well() {
    for (fields, most, status) in [(150, 1_000, 200), (150, 100, 502)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let gateway = gateway_with(address, |settings| {
            settings.upstreams = vec![format!("h2c://{address}").parse().expect("a URL")];
            settings.max_response_headers = most;
        });
        let serve = async {
            let (stream, _) = listener.accept().await.expect("the gateway connects");
            let mut line = h2::server::handshake(stream).await.expect("it speaks HTTP/2");
            while let Some(Ok((_, mut respond))) = line.accept().await {
                let mut head = Response::new(());
                for number in 0..fields {
                    let name: HeaderName = format!("x-{number}").parse().expect("a name");
                    head.headers_mut().insert(name, "v".parse().expect("a value"));
                }
                respond.send_response(head, true).expect("it is open");
            }
            pending::<()>().await;
        };
        let client = Client2::connect(gateway.address()).await;
        tokio::select! {
            answer = soon(client.ask(get("/"))) => assert_eq!(answer.status, status),
            () = serve => unreachable!("it waits for ever"),
        }
    }
}

#[tokio::test]
async fn what_is_no_http_is_said_to_be_so() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let told = told(response, |_| {}).await;
        assert!(is_refused(&told), "{response}: {told}");
        assert!(!told.contains("five") && !told.contains("SSH"), "{told}");
    }
    let closed = told("", |_| {}).await;
    assert!(closed.starts_with("HTTP/1.1 502 ") && closed.contains("upstream_down"), "{closed}");
}
