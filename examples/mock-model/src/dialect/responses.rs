//! OpenAI's responses.

use serde_json::{Value, json};

use super::{Dialect, OpenAi, Step, named_sse};
use crate::answer::Answer;
use crate::question::{self, Question};
use crate::settings::Usage;

/// OpenAI's responses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Responses;

impl Dialect for Responses {
    fn read(&self, body: &Value) -> Result<Question, String> {
        if !body["input"].is_string() && !body["input"].is_array() {
            return Err("`input` must be a text or a list of items".to_owned());
        }
        let max_tokens = question::limit(body, "max_output_tokens")?;
        Ok(Question::one(body, max_tokens, question::flag(body, "stream", false)?))
    }

    fn whole(&self, answer: &Answer) -> Value {
        let mut response = response(answer, status(answer), &json!([item(answer, status(answer), true)]));
        if answer.usage != Usage::None {
            response["usage"] = json!({
                "input_tokens": answer.input,
                "input_tokens_details": {"cached_tokens": answer.cached},
                "output_tokens": answer.output,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": answer.input + answer.output,
            });
        }
        response
    }

    fn events(&self, answer: &Answer, step: Step<'_>) -> Vec<String> {
        let place = |kind: &str| json!({"type": kind, "item_id": item_id(answer), "output_index": 0, "content_index": 0});
        let (first, mut events) = match step {
            Step::Open => {
                let begun = response(answer, "in_progress", &json!([]));
                let mut part_added = place("response.content_part.added");
                part_added["part"] = part("");
                let item = item(answer, "in_progress", false);
                let events = vec![
                    json!({"type": "response.created", "response": begun}),
                    json!({"type": "response.in_progress", "response": begun}),
                    json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
                    part_added,
                ];
                (0, events)
            }
            Step::Delta { chunk, .. } => {
                let mut delta = place("response.output_text.delta");
                delta["delta"] = answer.text(chunk).into();
                (OPENING + chunk, vec![delta])
            }
            Step::Close => {
                let mut text_done = place("response.output_text.done");
                text_done["text"] = answer.whole_text().into();
                let mut part_done = place("response.content_part.done");
                part_done["part"] = part(&answer.whole_text());
                let item = item(answer, status(answer), true);
                let kind = format!("response.{}", status(answer));
                let events = vec![
                    text_done,
                    part_done,
                    json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
                    json!({"type": kind, "response": self.whole(answer)}),
                ];
                (OPENING + answer.chunks(), events)
            }
            Step::Error(message) => (
                OPENING,
                vec![json!({"type": "error", "code": "server_error", "message": message, "param": null})],
            ),
        };
        for (event, number) in events.iter_mut().zip(first..) {
            event["sequence_number"] = number.into();
        }
        events.iter().map(named_sse).collect()
    }

    fn error(&self, status: u16, message: &str) -> Value {
        OpenAi::Chat.error(status, message)
    }
}

/// Events before the first token.
const OPENING: u64 = 4;

fn response(answer: &Answer, status: &str, output: &Value) -> Value {
    let reason = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
    json!({
        "id": format!("resp_{}", answer.number),
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "error": null,
        "incomplete_details": reason,
        "instructions": null,
        "metadata": {},
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": true,
        "tool_choice": "auto",
        "tools": [],
    })
}

fn item(answer: &Answer, status: &str, has_text: bool) -> Value {
    let content = if has_text { json!([part(&answer.whole_text())]) } else { json!([]) };
    json!({"id": item_id(answer), "type": "message", "role": "assistant", "status": status, "content": content})
}

fn item_id(answer: &Answer) -> String {
    format!("msg_{}", answer.number)
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

fn status(answer: &Answer) -> &'static str {
    if answer.is_cut { "incomplete" } else { "completed" }
}
