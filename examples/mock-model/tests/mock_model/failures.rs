//! Failures, and clients that leave.

use mock_model::Ended;

use crate::server::read_until;
use crate::{Server, requests};

#[tokio::test]
async fn a_stream_fails_after_its_chunks_as_it_is_told() {
    let server = Server::start(&["--fail-after", "2"]).await;
    for (path, body) in requests(true) {
        for (failure, is_whole, is_reset) in
            [("error", true, false), ("end", true, false), ("close", false, false), ("reset", false, true)]
        {
            let reply = server.post_with(path, &body, &[("fail", failure)]).await;
            server.totals_at_rest().await;
            let record = server.ledger().records().pop().unwrap();
            assert_eq!(
                (record.ended, record.chunks, record.output_tokens),
                (Ended::Failed, 2, 2),
                "{path} {failure}"
            );
            assert_eq!(
                (reply.is_whole(), reply.is_reset),
                (is_whole, is_reset),
                "{path} {failure}: {}",
                reply.text
            );
            assert_eq!(reply.text.contains("as it was told"), failure == "error", "{path}: {}", reply.text);
            assert!(!reply.text.contains("[DONE]"), "{path} {failure}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn a_plain_response_is_broken_off_or_is_an_error() {
    let server = Server::start(&["--fail-after", "2"]).await;
    for (path, body) in requests(false) {
        let error = server.post_with(path, &body, &[("fail", "error")]).await;
        assert_eq!(error.status(), 500, "{path}");
        assert!(error.json().to_string().contains("as it was told"), "{path}");
        for failure in ["end", "close", "reset"] {
            let reply = server.post_with(path, &body, &[("fail", failure)]).await;
            assert!(reply.text.starts_with("HTTP/1.1 200 OK"), "{path} {failure}: {}", reply.text);
            assert!(serde_json::from_str::<serde_json::Value>(reply.body()).is_err(), "{path} {failure}");
            assert_eq!(reply.is_reset, failure == "reset", "{path} {failure}");
        }
    }
    let totals = server.totals_at_rest().await;
    assert_eq!((totals.failed, totals.output_tokens), (24, 48));
}

#[tokio::test]
async fn a_client_that_leaves_is_in_the_books_with_what_was_produced() {
    let server = Server::start(&["--fail", "hang"]).await;
    for (path, body) in requests(true) {
        for chunks in [0, 1, 4] {
            server.ledger().clear();
            let after = chunks.to_string();
            let mut connection = server.send("POST", path, &body, &[("fail-after", &after)]).await;
            read_until(&mut connection, "HTTP/1.1 200", 1).await;
            server.produces(chunks).await;
            drop(connection);
            let totals = server.totals_at_rest().await;
            assert_eq!((totals.left, totals.output_tokens), (1, chunks), "{path}, {chunks}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_plain_request_stops_its_production() {
    let server = Server::start(&["--pause-ms", "20"]).await;
    let (path, body) = requests(false).remove(0);
    let connection = server.send("POST", path, &body.replace('5', "500"), &[("output-tokens", "500")]).await;
    server.produces(2).await;
    drop(connection);
    let totals = server.totals_at_rest().await;
    assert_eq!(totals.left, 1);
    assert!(totals.output_tokens < 500, "{totals:?}");
}

#[tokio::test]
async fn a_refusal_has_the_status_and_the_wait_that_it_is_told() {
    let server = Server::start(&["--status", "529", "--retry-after", "3"]).await;
    for (path, body) in requests(true) {
        let reply = server.post(path, &body).await;
        assert_eq!(reply.status(), 529);
        assert!(reply.text.to_lowercase().contains("retry-after: 3\r\n"), "{}", reply.text);
        assert!(reply.json().get("error").is_some());
    }
    assert_eq!(server.ledger().totals().refused, 6);
}

#[tokio::test]
async fn a_wrong_setting_is_refused_by_name() {
    let server = Server::start(&[]).await;
    let (path, body) = requests(false).remove(0);
    for (name, value) in [("latency", "5"), ("latency-ms", "-1"), ("usage", "some"), ("status", "200")] {
        let reply = server.post_with(path, &body, &[(name, value)]).await;
        assert_eq!(reply.status(), 400, "{name}: {value}");
        assert!(!reply.json()["error"]["message"].as_str().unwrap().is_empty());
    }
}
