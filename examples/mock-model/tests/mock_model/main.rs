//! The mock model through real sockets: what clients read, and what its books say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod amounts;
mod failures;
mod pace;
mod predictions;
mod server;
mod usage;

use server::{Reply, Server};

/// The endpoints that generate, each with a request for at most 5 tokens that is streamed or not.
fn requests(stream: bool) -> Vec<(&'static str, String)> {
    let message = r#""messages": [{"role": "user", "content": "How many gates has the river?"}]"#;
    [
        ("/v1/chat/completions", format!(r#"{{{message}, "max_tokens": 5, "stream": {stream}}}"#)),
        (
            "/v1/completions",
            format!(r#"{{"prompt": "Count the gates", "max_tokens": 5, "stream": {stream}}}"#),
        ),
        ("/v1/responses", format!(r#"{{"input": "Count", "max_output_tokens": 5, "stream": {stream}}}"#)),
        ("/v1/messages", format!(r#"{{{message}, "max_tokens": 5, "stream": {stream}}}"#)),
        ("/api/chat", format!(r#"{{{message}, "options": {{"num_predict": 5}}, "stream": {stream}}}"#)),
        (
            "/api/generate",
            format!(r#"{{"prompt": "Go", "options": {{"num_predict": 5}}, "stream": {stream}}}"#),
        ),
    ]
    .into()
}
