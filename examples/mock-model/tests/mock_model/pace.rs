//! When and in which pieces a response comes.

use std::time::Duration;

use tokio::time::Instant;

use crate::server::read_until;
use crate::{Server, requests};

#[tokio::test]
async fn the_head_takes_the_latency_and_each_chunk_but_the_first_a_pause() {
    let server = Server::start(&["--latency-ms", "60", "--pause-ms", "30"]).await;
    for stream in [false, true] {
        for (path, body) in requests(stream) {
            let start = Instant::now();
            let mut connection = server.send("POST", path, &body, &[]).await;
            read_until(&mut connection, "HTTP/1.1 200", 1).await;
            assert!(start.elapsed() >= Duration::from_millis(60), "{path}");
            server.totals_at_rest().await;
            assert!(start.elapsed() >= Duration::from_millis(60 + 4 * 30), "{path}: {:?}", start.elapsed());
        }
    }
}

#[tokio::test]
async fn a_comment_comes_before_the_latency_where_the_dialect_has_comments() {
    let server = Server::start(&["--comment", "--latency-ms", "60000"]).await;
    let (path, body) = requests(true).remove(0);
    let mut connection = server.send("POST", path, &body, &[]).await;
    let text = read_until(&mut connection, ": the prompt", 1).await;
    assert!(text.starts_with("HTTP/1.1 200") && !text.contains("data:"), "{text}");
}

#[tokio::test]
async fn pieces_are_as_small_as_they_are_told_to_be() {
    let server = Server::start(&[]).await;
    for (path, body) in requests(true) {
        let whole = server.post(path, &body).await;
        let pieces = server.post_with(path, &body, &[("split-bytes", "1")]).await;
        let length = whole.chunks().concat().len();
        assert!(whole.chunks().len() < length / 10, "{path}");
        // A chunk of one byte takes six: its size, its byte, and a line end after each. The last chunk takes five.
        let framed = pieces.length - pieces.text.find("\r\n\r\n").unwrap() - 4;
        assert_eq!(framed % 6, 5, "{path}");
        // Ids have more digits for later requests.
        assert!((framed / 6).abs_diff(length) < 16, "{path}: {} and {length}", framed / 6);
    }
}

#[tokio::test]
async fn events_come_together_as_many_as_they_are_told() {
    let server = Server::start(&[]).await;
    for (path, body) in requests(true) {
        let single = server.post(path, &body).await;
        let joined = server.post_with(path, &body, &[("join-events", "1000")]).await;
        assert_eq!(joined.chunks().len(), 1, "{path}: {}", joined.text);
        assert_eq!(joined.events().len(), single.events().len(), "{path}");
        assert!(single.chunks().len() >= single.events().len(), "{path}");
    }
}

#[tokio::test]
async fn chunks_have_as_many_tokens_as_they_are_told() {
    let server = Server::start(&["--chunk-tokens", "2"]).await;
    for (path, body) in requests(true) {
        server.ledger().clear();
        server.post(path, &body).await;
        let totals = server.totals_at_rest().await;
        assert_eq!((totals.output_tokens, totals.chunks), (5, 3), "{path}");
    }
}
