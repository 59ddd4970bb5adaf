//! Ollama's chat and generate, streamed as one JSON document a line.

use serde_json::{Value, json};

use super::{Dialect, Step};
use crate::answer::Answer;
use crate::question::{self, Question};
use crate::settings::Usage;

/// Ollama's chat and generate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ollama {
    Chat,
    Generate,
}

impl Dialect for Ollama {
    fn read(&self, body: &Value) -> Result<Question, String> {
        match self {
            Self::Chat => question::messages(body)?,
            Self::Generate if body["prompt"].is_string() => {}
            Self::Generate => return Err("`prompt` must be a text".to_owned()),
        }
        let max_tokens = question::limit(&body["options"], "num_predict")?;
        Ok(Question::one(body, max_tokens, question::flag(body, "stream", true)?))
    }

    fn whole(&self, answer: &Answer) -> Value {
        self.last(answer, &answer.whole_text())
    }

    fn events(&self, answer: &Answer, step: Step<'_>) -> Vec<String> {
        let line = match step {
            Step::Open => return Vec::new(),
            Step::Delta { chunk, .. } => self.line(answer, &answer.text(chunk)),
            Step::Close => self.last(answer, ""),
            Step::Error(message) => self.error(500, message),
        };
        vec![format!("{line}\n")]
    }

    fn error(&self, _status: u16, message: &str) -> Value {
        json!({"error": message})
    }
}

impl Ollama {
    fn line(self, answer: &Answer, text: &str) -> Value {
        let (name, content) = match self {
            Self::Chat => ("message", json!({"role": "assistant", "content": text})),
            Self::Generate => ("response", text.into()),
        };
        json!({"model": answer.model, "created_at": "2026-01-01T00:00:00Z", name: content, "done": false})
    }

    /// The line that ends a response, with the counts and with durations in nanoseconds.
    fn last(self, answer: &Answer, text: &str) -> Value {
        let mut last = self.line(answer, text);
        last["done"] = true.into();
        last["done_reason"] = if answer.is_cut { "length" } else { "stop" }.into();
        for duration in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
            last[duration] = 1_000_000.into();
        }
        if answer.usage != Usage::None {
            last["prompt_eval_count"] = answer.input.into();
            last["eval_count"] = answer.output.into();
        }
        last
    }
}
