//! Answers whose tokens are metered and that have a content coding, although the gateway asks for none.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::tokens::{CHAT, WORD, asking, body, charged, soon_charged, start};

const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":7}}\n\n";

#[tokio::test]
async fn a_stream_in_a_coding_passes_byte_for_byte() {
    let events = [WORD, WORD, USAGE, "data: [DONE]\n\n"].concat();
    for (coding, encoded, source) in [
        ("gzip", stored(&events), "reported"),
        ("x-gzip, identity", stored(&events), "reported"),
        // No coding of these names, as far as the gateway can tell.
        ("br", events.as_bytes().to_vec(), "counted"),
        ("gzip, gzip", stored(&events), "counted"),
    ] {
        let (upstream, gateway) = start().await;
        let mut client = asking(&gateway, CHAT, &body(true)).await;
        let mut connection = upstream.accept().await;
        assert!(connection.request(b"true}").await.contains("\"include_usage\":true"));
        let length = encoded.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
        );
        connection.write(head).await;
        for piece in encoded.chunks(50) {
            connection.write(piece).await;
        }
        let answer = client.answer().await;
        assert_eq!(answer.header("content-length"), Some(length.to_string().as_str()), "{coding}");
        assert!(answer.body == encoded, "{coding}");
        assert!(charged(&gateway, CHAT, source).await.1 >= 7, "{coding}");
    }
}

#[tokio::test]
async fn a_stream_in_no_coding_loses_the_usage_that_was_not_asked_for() {
    let events = [WORD, USAGE].concat();
    for coding in ["", "content-encoding: identity\r\n"] {
        let (upstream, gateway) = start().await;
        let mut client = asking(&gateway, CHAT, &body(true)).await;
        let mut connection = upstream.accept().await;
        connection.request(b"true}").await;
        let length = events.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{coding}content-length: {length}");
        connection.write(format!("{head}\r\n\r\n{events}")).await;
        assert_eq!(client.answer().await.text(), WORD, "{coding}");
    }
}

#[tokio::test]
async fn a_stream_in_a_coding_that_is_cut_gets_no_bytes_of_another_form() {
    for coding in ["gzip", "br"] {
        let (upstream, gateway) = start().await;
        let stream = json!({ "messages": [{ "role": "user", "content": "hi" }], "stream": true }).to_string();
        let mut client = asking(&gateway, "/cut/chat", &stream).await;
        let mut connection = upstream.accept().await;
        connection.request(b"true}").await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";
        connection.write(format!("{head}\r\ncontent-encoding: {coding}\r\n\r\n")).await;
        for _ in 0..30 {
            let piece = if coding == "gzip" { stored(WORD) } else { WORD.as_bytes().to_vec() };
            let size = format!("{:x}\r\n", piece.len());
            connection.write_if_open([size.as_bytes(), &piece, b"\r\n"].concat()).await;
        }
        connection.closed().await;
        let rest = client.rest().await;
        let told = String::from_utf8_lossy(&rest);
        assert!(told.contains("word") && !told.contains("error"), "{coding}: {told}");
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{coding}: it has no proper end");
        assert!(soon_charged(&gateway, "/cut/chat", "counted").await.1 > 20);
    }
}

/// A member of gzip in which the text stands as it is.
fn stored(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(text.as_bytes()).expect("memory takes it");
    gzip.finish().expect("memory takes it")
}
