//! Anthropic's messages.

use serde_json::{Value, json};

use super::{Dialect, Step, named_sse};
use crate::answer::Answer;
use crate::question::{self, Question};
use crate::settings::Usage;

/// Anthropic's messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages;

impl Dialect for Messages {
    fn read(&self, body: &Value) -> Result<Question, String> {
        question::messages(body)?;
        if body["max_tokens"].is_null() {
            return Err("max_tokens: Field required".to_owned());
        }
        let max_tokens = question::limit(body, "max_tokens")?;
        Ok(Question::one(body, max_tokens, question::flag(body, "stream", false)?))
    }

    fn whole(&self, answer: &Answer) -> Value {
        let mut message = message(answer, &json!([{"type": "text", "text": answer.whole_text()}]));
        message["stop_reason"] = stop_reason(answer);
        if answer.usage != Usage::None {
            message["usage"] = usage(answer, answer.output);
        }
        message
    }

    fn events(&self, answer: &Answer, step: Step<'_>) -> Vec<String> {
        let events = match step {
            Step::Open => {
                let mut message = message(answer, &json!([]));
                if answer.usage != Usage::None {
                    message["usage"] = usage(answer, 0);
                }
                vec![
                    json!({"type": "message_start", "message": message}),
                    json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                ]
            }
            Step::Delta { chunk, produced, .. } => {
                let text = json!({"type": "text_delta", "text": answer.text(chunk)});
                let mut events = vec![json!({"type": "content_block_delta", "index": 0, "delta": text})];
                if answer.usage == Usage::Running {
                    events.push(message_delta(&Value::Null, Some(produced)));
                }
                events
            }
            Step::Close => vec![
                json!({"type": "content_block_stop", "index": 0}),
                message_delta(&stop_reason(answer), (answer.usage != Usage::None).then_some(answer.output)),
                json!({"type": "message_stop"}),
            ],
            Step::Error(message) => vec![self.error(500, message)],
        };
        events.iter().map(named_sse).collect()
    }

    fn error(&self, status: u16, message: &str) -> Value {
        let kind = match status {
            429 => "rate_limit_error",
            529 => "overloaded_error",
            400..=499 => "invalid_request_error",
            _ => "api_error",
        };
        json!({"type": "error", "error": {"type": kind, "message": message}})
    }
}

fn message(answer: &Answer, content: &Value) -> Value {
    json!({
        "id": format!("msg_{}", answer.number),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
    })
}

/// Output tokens are a running total, and replace those of `message_start`.
fn message_delta(stop_reason: &Value, output: Option<u64>) -> Value {
    let mut delta =
        json!({"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": null}});
    if let Some(output) = output {
        delta["usage"] = json!({"output_tokens": output});
    }
    delta
}

fn stop_reason(answer: &Answer) -> Value {
    if answer.is_cut { "max_tokens".into() } else { "end_turn".into() }
}

/// Anthropic counts cached tokens beside the others.
fn usage(answer: &Answer, output: u64) -> Value {
    json!({
        "input_tokens": answer.input - answer.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached,
        "output_tokens": output,
    })
}
