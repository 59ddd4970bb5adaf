//! Input that a model's own tokenizer counts.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its input stops there")]

use std::{fs, iter::once, net::Ipv4Addr, path::Path};

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use sluicegate::{ManualClock, MemoryStore};
use sluicegate_policy::{Counting, Gate, Outcome, Overrides, Policy, TokenClass, TokenizerFile};

#[test]
fn the_texts_of_a_request_are_counted_by_the_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy(folder.path(), &words());
    for (content, texts) in [
        // The role and the content.
        (json!("the gate opens"), 1 + 3),
        (json!(""), 1),
        (json!([{ "type": "text", "text": "the gate" }, { "type": "text", "text": "opens the" }]), 1 + 4),
        // A picture has no texts, and is estimated as it was.
        (
            json!([{ "type": "text", "text": "the gate" }, { "type": "image_url", "image_url": { "url": "https://a.example/b" } }]),
            1 + 2 + 1105,
        ),
    ] {
        let body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": content }], "max_tokens": 1 });
        // Each message has three tokens around it, and so has the conversation.
        assert_eq!(reserved(&policy, &body), texts + 3 + 3, "{body}");
    }
}

#[test]
fn texts_are_counted_whole_whatever_the_file_does_with_them_for_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let mut cut = words();
    cut["truncation"] =
        json!({ "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0 });
    let mut padded = words();
    padded["padding"] = json!({
        "strategy": { "Fixed": 64 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "?",
    });
    for (name, file) in [("cut", cut), ("padded", padded), ("plain", words())] {
        let path = folder.path().join(name);
        fs::write(&path, file.to_string()).unwrap();
        let tokenizer = TokenizerFile::read(&path).unwrap();
        assert_eq!(tokenizer.tokens("the gate opens the gate opens"), Some(6), "{name}");
        assert_eq!(tokenizer.tokens(""), Some(0), "{name}");
    }
}

#[test]
fn a_file_that_is_no_tokenizer_is_an_error_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (file, error) in [
        (None, "cannot read `"),
        (Some("{}"), "` is no tokenizer: "),
        (Some("<html>"), "` is no tokenizer: "),
    ] {
        let path = folder.path().join("tokenizer.json");
        let _ = fs::remove_file(&path);
        if let Some(text) = file {
            fs::write(&path, text).unwrap();
        }
        let errors = load(folder.path()).unwrap_err().to_string();
        assert!(errors.contains("policy.toml:3:42: ") && errors.contains(error), "{errors}");
    }
}

fn load(folder: &Path) -> Result<Policy, sluicegate_policy::Diagnostics> {
    let path = folder.join("policy.toml");
    let text = "[[route]]\npath = '/v1/chat/completions'\nmeter = { tokens = 'openai', tokenizer = 'tokenizer.json' }\nlimits = '9999 tokens/day'\n";
    fs::write(&path, text).unwrap();
    Policy::load(&path, Overrides::default())
}

/// A policy beside a tokenizer.
fn policy(folder: &Path, tokenizer: &Value) -> Policy {
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    load(folder).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The input that a request reserves.
fn reserved(policy: &Policy, body: &Value) -> u64 {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock.clone()).build();
    let gate = Gate::new(policy.clone(), store, clock);
    let (head, ()) = Request::post("/v1/chat/completions").body(()).unwrap().into_parts();
    pollster::block_on(async {
        let mut visit = gate.enter(&head, Ipv4Addr::LOCALHOST.into()).await.unwrap();
        let mut reading = visit.take_reading().unwrap();
        for piece in once(Bytes::from(body.to_string())) {
            reading.take(piece).unwrap();
        }
        reading.end().unwrap();
        match gate.counting(&mut visit, Some(&reading)).await {
            Some(Counting::Tokenizer(tokenization)) => visit.counted(tokenization.count().unwrap()),
            other => panic!("{other:?}"),
        }
        let Outcome::Admitted(pass) = gate.decide(&visit, Some(&reading)).await else {
            panic!("it is denied")
        };
        pass.reservation().unwrap().usage().of(TokenClass::Input)
    })
}

/// A tokenizer that makes a token of each word.
fn words() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": { "?": 0, "the": 1, "gate": 2, "opens": 3, "user": 4 }, "unk_token": "?" },
    })
}
