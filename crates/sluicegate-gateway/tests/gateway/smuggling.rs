//! Requests whose ends two servers may see in different places: what is hidden in one never reaches the upstream.
//! The rules are those of RFC 9112, sections 2.2, 5.2, 6.3, 7.1 and 11.2.

use crate::support::{Client, Upstream, gateway};

/// The request that an attacker hides.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// Sends a request with another behind it, and gives what the client is told and how often the upstream was asked.
async fn attack(request: impl AsRef<[u8]>) -> (String, usize) {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write([request.as_ref(), HIDDEN.as_bytes()].concat()).await;
    let told = String::from_utf8_lossy(&client.rest().await).into_owned();
    (told, upstream.requests())
}

async fn is_refused(request: impl AsRef<[u8]>) {
    let request = request.as_ref();
    let (told, asked) = attack(request).await;
    let status = told.get(9..12).unwrap_or_default();
    assert!(matches!(status, "400" | "431" | "501"), "{} was answered {told}", request.escape_ascii());
    assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "the connection ends: {told}");
    assert_eq!(asked, 0, "{} reached the upstream", request.escape_ascii());
}

#[tokio::test]
async fn what_follows_an_honest_request_is_another() {
    for request in [
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
        // Bytes that the library refuses are set aside, and nothing moves by it.
        "GET /?\"<>` HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /echo?\"\"\"\" HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        "POST /read/echo?<> HTTP/1.1\r\nhost: a\r\ncontent-length: 25\r\n\r\nGET /?\"<>\" HTTP/1.1\r\n\r\n\"\"",
        "POST /echo?\" HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n",
    ] {
        let (told, asked) = attack(request).await;
        assert_eq!((told.matches("HTTP/1.1 ").count(), asked), (2, 2), "{told}");
    }
}

#[tokio::test]
async fn a_length_that_can_be_read_in_two_ways_is_refused() {
    for length in
        ["5\r\ncontent-length: 6", "5, 6", "+5", "-1", "0x5", "5 5", "", "18446744073709551616", "5\x0b"]
    {
        is_refused(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\nhello")).await;
    }
}

#[tokio::test]
async fn a_coding_that_may_not_be_the_last_is_refused() {
    for coding in [
        "identity",
        "xchunked",
        "chunked, gzip",
        "chunked, identity",
        "chunked\r\ntransfer-encoding: x",
        "\"chunked\"",
    ] {
        is_refused(format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n"))
            .await;
    }
}

#[tokio::test]
async fn fields_and_lines_that_are_no_such_are_refused() {
    for field in [
        "transfer-encoding : chunked",
        "content-length : 5",
        "x: a\r\n content-length: 5",
        "x: a\r\n\ttransfer-encoding: chunked",
        "x: a\rcontent-length: 5",
        "x: a\0b",
        ": nameless",
        "content length: 5",
        "no colon",
    ] {
        is_refused(format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n")).await;
        is_refused(format!("POST / HTTP/1.1\r\n{field}\r\nhost: a\r\n\r\n")).await;
    }
    for line in [
        "GET /a b HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.10",
        "GET /\r\n",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "G\0T / HTTP/1.1",
        "GET /\"<> HTTP/1.1 x",
        "GET /<a b> HTTP/1.1",
        "GET /\"\r\nhost: b\r\n",
        "GET http://a<b>/ HTTP/1.1",
        "CONNECT \"a\":443 HTTP/1.1",
    ] {
        is_refused(format!("{line}\r\nhost: a\r\n\r\n")).await;
    }
}

/// A chunked body is read before it is sent on, or sent on as it is read: either way the upstream is told nothing that
/// follows a chunk which is none.
#[tokio::test]
async fn chunks_that_are_none_end_the_connection() {
    for path in ["/echo", "/read/echo"] {
        for body in [
            "-1\r\nhello\r\n0\r\n\r\n",
            "g\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhelloxx0\r\n\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "5;\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\rhello\r\n0\r\n\r\n",
        ] {
            let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
            let (told, asked) = attack([&head, body].concat()).await;
            assert!(told.matches("HTTP/1.1 ").count() <= 1, "{body:?} was answered {told}");
            assert!(!told.contains(" 200 "), "{body:?} was answered {told}");
            assert!(asked <= usize::from(path == "/echo"), "{body:?} reached the upstream");
        }
    }
}

#[tokio::test]
async fn a_coding_that_http_1_0_does_not_know_ends_the_connection() {
    let request = "POST /seen HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let (told, asked) = attack(request).await;
    assert!(told.matches("HTTP/1.").count() <= 1 && asked <= 1, "{told}");
}
