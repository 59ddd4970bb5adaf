//! The usage that responses report, held against the books.

use serde_json::{Value, json};

use crate::{Server, requests};

#[tokio::test]
async fn every_dialect_reports_what_the_books_say_plain_and_streamed() {
    let server = Server::start(&["--usage", "last"]).await;
    for stream in [false, true] {
        for (path, body) in requests(stream) {
            server.ledger().clear();
            let reply = server.post(path, &body).await;
            assert_eq!(reply.status(), 200, "{path}: {}", reply.text);
            let documents = if stream { reply.events() } else { vec![reply.json()] };
            let totals = server.totals_at_rest().await;
            assert_eq!(totals.complete, 1, "{path}");
            assert_eq!(
                last_usage(&documents),
                (totals.input_tokens, totals.output_tokens),
                "{path}: {documents:?}"
            );
            assert_eq!(totals.output_tokens, 5, "{path}");
            assert_eq!(totals.input_tokens, tokens_of_prompt(path), "{path}");
        }
    }
}

#[tokio::test]
async fn a_chat_stream_reports_usage_as_the_setting_says() {
    let server = Server::start(&[]).await;
    // The setting, whether the client asks, the number of usage objects, and of `timings`.
    for (setting, asks, usages, timings) in [
        ("asked", false, 0, 0),
        ("asked", true, 1, 0),
        ("none", true, 0, 0),
        ("last", false, 1, 0),
        ("last", true, 1, 0),
        ("running", false, 5, 0), // the role, two chunks, the finish, and one without choices
        ("timings", false, 0, 1),
        ("timings", true, 1, 1),
    ] {
        let reply = chat(&server, &json!({"stream_options": {"include_usage": asks}}), setting).await;
        let events = reply.events();
        let count = |name: &str| events.iter().filter(|event| event[name].is_object()).count();
        assert_eq!((count("usage"), count("timings")), (usages, timings), "{setting}, {asks}: {events:?}");
        let without_choices = events.iter().filter(|event| event["choices"] == json!([])).count();
        let expected = matches!((setting, asks), ("asked" | "timings", true) | ("running", _));
        assert_eq!(without_choices, usize::from(expected), "{setting}, {asks}: {events:?}");
        assert!(reply.chunks().concat().ends_with("data: [DONE]\n\n"));
    }
}

#[tokio::test]
async fn running_usage_is_a_running_total_of_all_choices() {
    let server = Server::start(&[]).await;
    let events = chat(&server, &json!({"n": 2}), "running").await.events();
    let totals: Vec<u64> =
        events.iter().map(|event| event["usage"]["completion_tokens"].as_u64().unwrap()).collect();
    assert_eq!(totals, [0, 0, 1, 2, 3, 4, 4, 4, 4]);
    assert_eq!(server.totals_at_rest().await.output_tokens, 4);
}

#[tokio::test]
async fn timings_report_one_choice_as_llama_server_does_and_the_books_have_all() {
    let server = Server::start(&["--cached-tokens", "2", "--usage", "timings"]).await;
    let body = r#"{"prompt": ["eight chars tok", "four"], "n": 2, "max_tokens": 3}"#;
    let whole = server.post("/v1/completions", body).await.json();
    assert_eq!(whole["choices"].as_array().unwrap().len(), 4);
    assert_eq!(whole["usage"]["prompt_tokens"], 4);
    assert_eq!(whole["usage"]["completion_tokens"], 3);
    assert_eq!((&whole["timings"]["cache_n"], &whole["timings"]["prompt_n"]), (&json!(2), &json!(2)));
    let totals = server.totals_at_rest().await;
    assert_eq!((totals.input_tokens, totals.output_tokens), (5, 12));

    let options = json!({"n": 2, "stream_options": {"include_usage": true}});
    let events = chat(&server, &options, "timings").await.events();
    let usages: Vec<_> = events.iter().filter(|event| event["usage"].is_object()).collect();
    assert_eq!(usages.len(), 2, "one for each choice: {events:?}");
    assert!(usages.iter().all(|event| event["usage"]["completion_tokens"] == 2));
}

#[tokio::test]
async fn cached_tokens_are_inside_the_prompt_for_openai_and_beside_for_anthropic() {
    let server = Server::start(&["--input-tokens", "30", "--cached-tokens", "22"]).await;
    let plain = requests(false);
    let usage = async |at: usize| server.post(plain[at].0, &plain[at].1).await.json()["usage"].clone();
    let chat = usage(0).await;
    assert_eq!(
        (&chat["prompt_tokens"], &chat["prompt_tokens_details"]["cached_tokens"]),
        (&json!(30), &json!(22))
    );
    let responses = usage(2).await;
    assert_eq!((&responses["input_tokens"], &responses["total_tokens"]), (&json!(30), &json!(35)));
    let messages = usage(3).await;
    assert_eq!((&messages["input_tokens"], &messages["cache_read_input_tokens"]), (&json!(8), &json!(22)));
}

/// A streamed chat of at most 2 tokens.
async fn chat(server: &Server, options: &Value, usage: &str) -> crate::Reply {
    server.ledger().clear();
    let mut body = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2, "stream": true});
    body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    server.post_with("/v1/chat/completions", &body.to_string(), &[("usage", usage)]).await
}

/// Input and output tokens of the last usage, field by field, in any dialect.
fn last_usage(documents: &[Value]) -> (u64, u64) {
    let mut usage = (0, 0);
    for document in documents {
        for place in
            [document, &document["usage"], &document["message"]["usage"], &document["response"]["usage"]]
        {
            let field = |names: [&str; 3]| names.iter().find_map(|name| place[*name].as_u64());
            usage.0 = field(["prompt_tokens", "input_tokens", "prompt_eval_count"]).unwrap_or(usage.0);
            usage.1 = field(["completion_tokens", "output_tokens", "eval_count"]).unwrap_or(usage.1);
        }
    }
    usage
}

/// A token for each four characters that are begun.
fn tokens_of_prompt(path: &str) -> u64 {
    match path {
        "/v1/completions" => 4,
        "/v1/responses" => 2,
        "/api/generate" => 1,
        _ => 8,
    }
}
