//! Framing of bodies, which is made and never copied, for every version of HTTP on either side.

use std::future::pending;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header::TE};
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::support::{
    Client, Scripted, Upstream, gateway, gateway_with,
    http2::{Answer2, Body, Client2, full, get, pieces, post},
    in_flight_is_zero, soon,
};

const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";

/// Has an upstream answer a request with these bytes, and gives what a client of HTTP/1.0 or 1.1 is told.
async fn told(method: &str, version: &str, answer: &str) -> String {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client
        .write(format!(
            "{method} / HTTP/{version}\r\nhost: a\r\nte: trailers\r\nconnection: close, te\r\n\r\n"
        ))
        .await;
    upstream.answer_once(answer).await;
    let told = String::from_utf8_lossy(&client.rest().await).into_owned();
    in_flight_is_zero(&gateway).await;
    told
}

/// The same, for a client of HTTP/2.
async fn told2(method: Method, answer: &str) -> Answer2 {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let mut request = get("/");
    *request.method_mut() = method;
    let (told, ()) = tokio::join!(client.ask(request), upstream.answer_once(answer));
    in_flight_is_zero(&gateway).await;
    told
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_count() {
    for length in ["content-length: 2", "content-length: 99", "content-length: 0", "content-length: x"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{length}\r\n{CHUNKED}");
        let one = told("GET", "1.1", &answer).await;
        assert!(one.contains("transfer-encoding: chunked") && !one.contains("content-length"), "{one}");
        assert!(one.ends_with("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), "{one}");
        let zero = told("GET", "1.0", &answer).await;
        assert!(zero.ends_with("\r\n\r\nhello") && !zero.contains("content-length"), "{zero}");
        let two = told2(Method::GET, &answer).await;
        assert_eq!((&two.body[..], two.headers.get("content-length")), (&b"hello"[..], None));
        let head = told("HEAD", "1.1", &answer.replace("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "")).await;
        assert!(head.contains(" 200 ") && !head.contains("content-length"), "{head}");
    }
}

#[tokio::test]
async fn a_length_that_is_told_twice_is_passed_on_once() {
    for length in ["5, 5", "5\r\ncontent-length: 5", "005"] {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nhello");
        let one = told("GET", "1.1", &answer).await;
        assert_eq!(one.matches("content-length").count(), 1, "{one}");
        assert!(one.contains("content-length: 5\r\n") && one.ends_with("\r\n\r\nhello"), "{one}");
        let two = told2(Method::GET, &answer).await;
        assert_eq!(
            (&two.body[..], &two.headers["content-length"]),
            (&b"hello"[..], &HeaderValue::from_static("5"))
        );
        assert_eq!(two.headers.get_all("content-length").iter().count(), 1);
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_passes_whole() {
    for version in ["1.0", "1.1"] {
        let answer = format!("HTTP/{version} 200 OK\r\nconnection: close\r\n\r\nhello");
        assert!(told("GET", "1.1", &answer).await.ends_with("5\r\nhello\r\n0\r\n\r\n"));
        assert!(told("GET", "1.0", &answer).await.ends_with("\r\n\r\nhello"));
        assert_eq!(told2(Method::GET, &answer).await.body, "hello");
    }
}

#[tokio::test]
async fn a_response_without_content_keeps_a_length_that_is_one_number_and_no_other() {
    for (length, kept) in [
        ("content-length: 1000\r\n", Some("1000")),
        ("content-length: 7, 7\r\n", Some("7")),
        ("content-length: 7\r\ncontent-length: 8\r\n", None),
        ("content-length: many\r\n", None),
        ("", None),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{length}\r\n");
        let one = told("HEAD", "1.1", &answer).await;
        let line = one.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(line, kept, "{one}");
        let two = told2(Method::HEAD, &answer).await;
        assert_eq!(two.headers.get("content-length").map(HeaderValue::as_bytes), kept.map(str::as_bytes));
        let not_modified = told2(Method::GET, &answer.replace("200 OK", "304 Not Modified")).await;
        assert_eq!(
            not_modified.headers.get("content-length").map(HeaderValue::as_bytes),
            kept.map(str::as_bytes)
        );
    }
    // Clients of HTTP/2 take a length for a promise here, which nobody keeps.
    let answer = "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n";
    assert!(!told("GET", "1.1", answer).await.contains("content-length"));
    assert_eq!(told2(Method::GET, answer).await.headers.get("content-length"), None);
}

#[tokio::test]
async fn a_coding_that_was_not_asked_for_is_not_passed_on_as_content() {
    for coding in ["gzip, chunked", "gzip", "chunked\r\ntransfer-encoding: deflate"] {
        let answer =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\nconnection: close\r\n\r\n0\r\n\r\n");
        let one = told("GET", "1.1", &answer).await;
        assert!(one.starts_with("HTTP/1.1 502 ") && one.contains("upstream_invalid"), "{one}");
        assert!(!one.contains("gzip"), "{one}");
        assert_eq!(told2(Method::GET, &answer).await.status, 502);
    }
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\nconnection: close\r\n\r\nhello";
    assert_eq!(told2(Method::GET, answer).await.body, "hello", "it is no coding");
}

#[tokio::test]
async fn trailers_say_nothing_of_the_connection() {
    let trailers =
        "x-sum: 42\r\nconnection: close\r\ntransfer-encoding: chunked\r\ncontent-length: 7\r\nkeep-alive: a";
    let answer = format!(
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{trailers}\r\n\r\n"
    );
    let two = told2(Method::GET, &answer).await;
    let trailers: Vec<_> = two.trailers.as_ref().expect("they pass").keys().map(HeaderName::as_str).collect();
    assert_eq!((&two.body[..], trailers), (&b"hello"[..], vec!["x-sum"]));
    let one = told("GET", "1.1", &answer).await;
    assert!(one.ends_with("5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n"), "{one}");
}

#[tokio::test]
async fn trailers_are_announced_where_they_can_come() {
    // A body with a length has none in HTTP/1.1.
    let answer = "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ncontent-length: 5\r\n\r\nhello";
    let one = told("GET", "1.1", answer).await;
    assert!(!one.contains("trailer") && one.contains("content-length: 5"), "{one}");

    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let sum = HeaderMap::from_iter([("x-sum".parse().expect("a name"), HeaderValue::from_static("42"))]);
    for (path, is_announced) in [("/echo/trailers", true), ("/read/echo/trailers", false)] {
        let mut request = post(path, pieces(b"hello", sum.clone()));
        // A length spares a meter of bytes the reading.
        if is_announced {
            request.headers_mut().insert("content-length", 5.into());
        }
        request.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        let answer = client.ask(request).await;
        assert_eq!(&answer.body[..], b"hello", "{path}");
        assert_eq!(answer.trailers == Some(sum.clone()), is_announced, "{path}: {:?}", answer.trailers);
        assert_eq!(upstream.seen().contains("trailer: x-sum\n"), is_announced, "{}", upstream.seen());
    }
}

#[tokio::test]
async fn a_request_whose_length_is_unknown_reaches_the_upstream_whatever_its_method() {
    for upstream in [Upstream::start().await, Upstream::start_http2(100).await] {
        let gateway = gateway_with(upstream.address, |settings| {
            settings.upstreams = vec![upstream.url().parse().expect("a URL")];
        });
        for path in ["/echo", "/read/echo"] {
            for method in [Method::GET, Method::DELETE, Method::OPTIONS, Method::PUT] {
                let mut client = Client::connect(gateway.address()).await;
                client.write(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{CHUNKED}")).await;
                assert_eq!(client.answer().await.text(), "hello", "{method} {path}");
                let mut request = post(path, pieces(b"hello", HeaderMap::new()));
                *request.method_mut() = method.clone();
                let client = Client2::connect(gateway.address()).await;
                assert_eq!(client.ask(request).await.body, "hello", "{method} {path}");
            }
        }
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.get("/seen").await.status, 200);
        let seen = upstream.seen();
        assert!(!seen.contains("transfer-encoding") && !seen.contains("content-length"), "{seen}");
    }
}

/// Has an upstream of HTTP/2 answer one request, and gives what a client is told.
async fn from_http2<T>(
    answer: impl AsyncFnOnce(&mut SendResponse<Bytes>),
    ask: impl AsyncFnOnce(std::net::SocketAddr) -> T,
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let gateway = gateway_with(address, |settings| {
        settings.upstreams = vec![format!("h2c://{address}").parse().expect("a URL")];
    });
    let serve = async {
        let (stream, _) = listener.accept().await.expect("the gateway connects");
        let mut line = h2::server::handshake(stream).await.expect("it speaks HTTP/2");
        let (_, mut respond) = line.accept().await.expect("it is open").expect("a request comes");
        answer(&mut respond).await;
        while line.accept().await.is_some() {}
        pending::<()>().await;
    };
    let told = tokio::select! {
        told = soon(ask(gateway.address())) => told,
        () = serve => unreachable!("it waits for ever"),
    };
    in_flight_is_zero(&gateway).await;
    told
}

#[tokio::test]
async fn content_that_a_status_forbids_is_left_out() {
    for status in [204, 304] {
        let answer = async |respond: &mut SendResponse<Bytes>| {
            let head =
                Response::builder().status(status).header("content-length", "5").body(()).expect("valid");
            let mut body = respond.send_response(head, false).expect("somebody waits for it");
            body.send_data(Bytes::from_static(b"hello"), true).expect("somebody waits for it");
        };
        let two = from_http2(answer, async |address| Client2::connect(address).await.get("/").await).await;
        assert_eq!((two.status.as_u16(), &two.body[..]), (status, &b""[..]));
        let one = from_http2(answer, async |address| {
            let mut client = Client::connect(address).await;
            client.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
            String::from_utf8(client.rest().await).expect("ASCII")
        })
        .await;
        assert!(one.ends_with("\r\n\r\n") && !one.contains("hello"), "{one}");
    }
}

#[tokio::test]
async fn trailers_after_a_length_pass_from_http_2() {
    let answer = async |respond: &mut SendResponse<Bytes>| {
        let head = Response::builder().header("content-length", "5").header("trailer", "x-sum");
        let mut body = respond.send_response(head.body(()).expect("valid"), false).expect("it is open");
        body.send_data(Bytes::from_static(b"hello"), false).expect("it is open");
        let sum = HeaderMap::from_iter([("x-sum".parse().expect("a name"), HeaderValue::from_static("42"))]);
        body.send_trailers(sum).expect("it is open");
    };
    let two = from_http2(answer, async |address| Client2::connect(address).await.get("/").await).await;
    assert_eq!(
        (&two.body[..], &two.headers["content-length"]),
        (&b"hello"[..], &HeaderValue::from_static("5"))
    );
    assert_eq!(two.trailers.expect("they pass")["x-sum"], "42");
    let one = from_http2(answer, async |address| {
        let mut client = Client::connect(address).await;
        client.write("GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close, te\r\n\r\n").await;
        String::from_utf8(client.rest().await).expect("ASCII")
    })
    .await;
    assert!(
        one.ends_with("5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n") && !one.contains("content-length"),
        "{one}"
    );
}

#[tokio::test]
async fn lengths_that_a_client_of_http_2_tells_twice_reach_no_upstream_so() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let mut request: Request<Body> = post("/echo", full(b"hello"));
    request.headers_mut().append("content-length", 5.into());
    request.headers_mut().append("content-length", 5.into());
    let answer = client.send(request).await.expect("it is answered");
    assert_eq!(soon(answer.into_body().collect()).await.expect("it is whole").to_bytes(), "hello");
    assert_eq!(upstream.seen().matches("content-length: 5\n").count(), 1, "{}", upstream.seen());
}
