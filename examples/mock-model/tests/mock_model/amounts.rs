//! The number of tokens that requests and settings ask for.

use mock_model::Ended;
use serde_json::json;

use crate::Server;

#[tokio::test]
async fn limits_on_tokens_are_read_as_servers_read_them() {
    let server = Server::start(&["--output-tokens", "9"]).await;
    for (path, limits, output) in [
        (CHAT, json!({}), Some(9)),
        (CHAT, json!({"max_tokens": 4}), Some(4)),
        (CHAT, json!({"max_tokens": 1, "max_completion_tokens": 4}), Some(4)),
        (CHAT, json!({"max_tokens": 0}), Some(1)),
        (CHAT, json!({"max_tokens": -1}), Some(9)),
        (CHAT, json!({"max_tokens": 9_223_372_036_854_775_808_u64}), Some(9)),
        (CHAT, json!({"max_tokens": 4, "n": 3}), Some(12)),
        (CHAT, json!({"max_tokens": "4"}), None),
        (CHAT, json!({"max_tokens": 4.5}), None),
        (CHAT, json!({"n": 1_000_000}), None),
        (CHAT, json!({"n": 0}), None),
        (CHAT, json!({"messages": []}), None),
        (CHAT, json!({"stream_options": {"include_usage": "yes"}}), None),
        (TEXT, json!({"prompt": "x", "max_tokens": 2, "n": 2, "best_of": 5}), Some(10)),
        (TEXT, json!({"prompt": [1, 2, 3], "max_tokens": 2}), Some(2)),
        (TEXT, json!({"prompt": [[1, 2], [3]], "max_tokens": 2}), Some(4)),
        (TEXT, json!({"prompt": []}), None),
        (TEXT, json!({"prompt": "x", "stream": true, "best_of": 5}), None),
        ("/v1/messages", json!({}), None), // Anthropic wants max_tokens
        ("/api/chat", json!({"stream": false, "options": {"num_predict": 3}}), Some(3)),
        ("/api/chat", json!({"stream": false, "options": {"num_predict": -2}}), Some(9)),
        (
            "/v1/responses",
            json!({"input": [{"role": "user", "content": "x"}], "max_output_tokens": 3}),
            Some(3),
        ),
    ] {
        server.ledger().clear();
        let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
        body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        let reply = server.post(path, &body.to_string()).await;
        let totals = server.totals_at_rest().await;
        match output {
            Some(output) => {
                assert_eq!((reply.status(), totals.output_tokens), (200, output), "{path} {limits}");
            }
            None => assert_eq!((reply.status(), totals.refused), (400, 1), "{path} {limits}"),
        }
    }
}

#[tokio::test]
async fn a_prompt_is_a_token_for_four_characters_and_one_for_each_id() {
    let server = Server::start(&[]).await;
    for (path, body, tokens) in [
        ("/v1/messages/count_tokens", json!({"system": "12345", "messages": [{"content": "1234"}]}), 3),
        (
            "/v1/messages/count_tokens",
            json!({"messages": [{"content": [{"type": "text", "text": "12"}]}]}),
            1,
        ),
        ("/v1/responses/input_tokens", json!({"instructions": "水水水水水", "input": "x"}), 3),
        ("/v1/chat/completions/input_tokens", json!({"messages": []}), 1),
    ] {
        let counted = server.post(path, &body.to_string()).await.json();
        assert_eq!(counted["input_tokens"], tokens, "{body}");
    }
    for (body, tokens) in [
        (json!({"model": "m", "prompt": "12345"}), 2),
        (json!({"messages": [{"content": "1234"}, {"content": "5"}]}), 2),
        (json!({"content": "123456789"}), 3),
    ] {
        let counted = server.post("/tokenize", &body.to_string()).await.json();
        assert_eq!(counted["count"], tokens, "{body}");
        assert_eq!(counted["tokens"].as_array().map(Vec::len), usize::try_from(tokens).ok(), "{body}");
    }
    let body = json!({"input": [[1, 2, 3], [4]], "encoding_format": "base64", "dimensions": 2});
    let embedded = server.post("/v1/embeddings", &body.to_string()).await.json();
    assert_eq!(embedded["usage"], json!({"prompt_tokens": 4, "total_tokens": 4}));
    assert_eq!(embedded["data"].as_array().unwrap().len(), 2);
    assert_eq!(embedded["data"][0]["embedding"], "AAAAAAAAAAA=");
    assert_eq!(server.ledger().totals().input_tokens, 4, "counting tokens generates nothing");
}

#[tokio::test]
async fn books_begun_anew_have_nothing_of_requests_in_progress() {
    let server = Server::start(&["--fail", "hang"]).await;
    let connection = server.send("POST", CHAT, &chat(true), &[("fail-after", "3")]).await;
    server.produces(3).await;
    assert_eq!(server.ledger().totals().output_tokens, 3);
    server.ledger().clear();
    drop(connection);
    server.post_with("/api/generate", r#"{"prompt": "x", "stream": false}"#, &[("fail", "none")]).await;
    let totals = server.totals_at_rest().await;
    assert_eq!((totals.requests, totals.complete, totals.left, totals.output_tokens), (1, 1, 0, 100));
}

#[tokio::test]
async fn records_name_the_request_and_the_control_endpoints_serve_them() {
    let server = Server::start(&[]).await;
    let body = r#"{"model": "m", "messages": [{"content": "x"}], "max_tokens": 2}"#;
    server.post(CHAT, body).await;
    let record = server.ledger().records().remove(0);
    assert_eq!((record.model.as_str(), record.path.as_str(), record.ended), ("m", CHAT, Ended::Complete));

    let ledger = control(&server, "GET", "/control/ledger", "").await.json();
    assert_eq!(ledger["requests"][0]["output_tokens"], 2);
    assert_eq!(ledger["totals"]["complete"], 1);
    assert_eq!(control(&server, "DELETE", "/control/ledger", "").await.status(), 204);
    assert_eq!(control(&server, "GET", "/control/totals", "").await.json()["requests"], 0);

    let changed =
        control(&server, "PUT", "/control/settings", r#"{"output-tokens": 7, "usage": "none"}"#).await;
    assert_eq!(changed.json()["output-tokens"], 7);
    assert_eq!(server.post(CHAT, &chat(false)).await.json().get("usage"), None);
    let wrong =
        control(&server, "PUT", "/control/settings", r#"{"output-tokens": 8, "usage": "some"}"#).await;
    assert_eq!(wrong.status(), 400);
    assert_eq!(control(&server, "GET", "/control/settings", "").await.json()["output-tokens"], 7);
    assert_eq!(control(&server, "DELETE", "/control/settings", "").await.json()["output-tokens"], 100);
}

async fn control(server: &Server, method: &str, path: &str, body: &str) -> crate::Reply {
    use tokio::io::AsyncReadExt;
    let mut text = String::new();
    server.send(method, path, body, &[]).await.read_to_string(&mut text).await.unwrap();
    crate::Reply { length: text.len(), text, is_reset: false }
}

fn chat(stream: bool) -> String {
    json!({"messages": [{"role": "user", "content": "Hi"}], "stream": stream}).to_string()
}

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";
