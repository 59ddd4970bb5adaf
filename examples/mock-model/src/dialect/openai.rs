//! OpenAI's chat completions and completions.

use serde_json::{Value, json};

use super::{Dialect, Step, sse};
use crate::answer::Answer;
use crate::prompt;
use crate::question::{self, Question};
use crate::settings::Usage;

/// OpenAI's chat completions and completions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OpenAi {
    Chat,
    Completions,
}

impl Dialect for OpenAi {
    fn read(&self, body: &Value) -> Result<Question, String> {
        let stream = question::flag(body, "stream", false)?;
        let max_tokens = question::limit(body, "max_tokens")?;
        let mut asked = Question::one(body, max_tokens, stream);
        let n = question::count(body, "n")?;
        match self {
            Self::Chat => {
                question::messages(body)?;
                // As vLLM does: the newer name wins.
                asked.max_tokens = question::limit(body, "max_completion_tokens")?.or(max_tokens);
                (asked.choices, asked.candidates) = (n, n);
            }
            Self::Completions => {
                let prompts = prompt::batch(body, "prompt")?;
                let best_of = question::count(body, "best_of")?.max(n);
                if stream && best_of > n {
                    return Err("`best_of` above `n` cannot be streamed".to_owned());
                }
                asked.first_prompt = prompts.first().map(|first| prompt::tokens_of(first));
                asked.choices = n * prompts.len() as u64;
                asked.candidates = best_of * prompts.len() as u64;
            }
        }
        asked.include_usage = match &body["stream_options"] {
            Value::Null => false,
            options => question::flag(options, "include_usage", false)?,
        };
        Ok(asked)
    }

    fn whole(&self, answer: &Answer) -> Value {
        let choices: Vec<Value> = (0..answer.choices)
            .map(|index| {
                let (name, text) = match self {
                    Self::Chat => ("message", json!({"role": "assistant", "content": answer.whole_text()})),
                    Self::Completions => ("text", answer.whole_text().into()),
                };
                json!({"index": index, name: text, "logprobs": null, "finish_reason": finish_reason(answer)})
            })
            .collect();
        let mut whole = self.base(answer, &choices.into());
        whole["object"] = if *self == Self::Chat { "chat.completion" } else { "text_completion" }.into();
        match answer.usage {
            Usage::None => {}
            Usage::Asked | Usage::Running | Usage::Last => {
                whole["usage"] = usage(answer, answer.input, answer.produced());
            }
            Usage::Timings => {
                whole["usage"] = usage(answer, answer.first_input, answer.output);
                whole["timings"] = timings(answer);
            }
        }
        whole
    }

    fn events(&self, answer: &Answer, step: Step<'_>) -> Vec<String> {
        match step {
            Step::Open if *self == Self::Completions => Vec::new(),
            Step::Open => (0..answer.choices)
                .map(|choice| {
                    sse(&self.chunk(
                        answer,
                        choice,
                        &json!({"role": "assistant", "content": ""}),
                        0,
                        &Value::Null,
                    ))
                })
                .collect(),
            Step::Delta { choice, chunk, produced } => {
                let text = match self {
                    Self::Chat => json!({"content": answer.text(chunk)}),
                    Self::Completions => answer.text(chunk).into(),
                };
                vec![sse(&self.chunk(answer, choice, &text, produced, &Value::Null))]
            }
            Step::Close => self.close(answer),
            Step::Error(message) => vec![sse(&self.error(500, message))],
        }
    }

    fn error(&self, status: u16, message: &str) -> Value {
        let kind = match status {
            400..=499 if status != 429 => "invalid_request_error",
            429 => "rate_limit_error",
            _ => "server_error",
        };
        json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
    }
}

impl OpenAi {
    /// The last events: the end of each choice, the usage, and `[DONE]`.
    fn close(self, answer: &Answer) -> Vec<String> {
        let empty = if self == Self::Chat { json!({}) } else { "".into() };
        let finish = finish_reason(answer);
        let mut events = Vec::new();
        for choice in 0..answer.choices {
            let mut chunk = self.chunk(answer, choice, &empty, answer.produced(), &finish);
            let is_last = choice + 1 == answer.choices;
            match answer.usage {
                Usage::Last if is_last => chunk["usage"] = usage(answer, answer.input, answer.produced()),
                Usage::Timings if !answer.include_usage => chunk["timings"] = timings(answer),
                _ => {}
            }
            events.push(sse(&chunk));
            if answer.usage == Usage::Timings && answer.include_usage {
                let mut chunk = self.usage_chunk(answer, answer.output);
                chunk["timings"] = timings(answer);
                events.push(sse(&chunk));
            }
        }
        if answer.usage == Usage::Running || (answer.usage == Usage::Asked && answer.include_usage) {
            events.push(sse(&self.usage_chunk(answer, answer.produced())));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    /// A chunk of one choice. `produced` is the running total of its tokens.
    fn chunk(self, answer: &Answer, choice: u64, content: &Value, produced: u64, finish: &Value) -> Value {
        let name = if self == Self::Chat { "delta" } else { "text" };
        let choice = json!({"index": choice, name: content, "logprobs": null, "finish_reason": finish});
        let mut chunk = self.base(answer, &json!([choice]));
        match answer.usage {
            Usage::Running => chunk["usage"] = usage(answer, answer.input, produced),
            // As OpenAI and vLLM announce the chunk that will have it.
            Usage::Asked if answer.include_usage => chunk["usage"] = Value::Null,
            _ => {}
        }
        chunk
    }

    /// The chunk without choices that reports the usage.
    fn usage_chunk(self, answer: &Answer, output: u64) -> Value {
        let mut chunk = self.base(answer, &json!([]));
        chunk["usage"] = usage(answer, answer.input, output);
        chunk
    }

    fn base(self, answer: &Answer, choices: &Value) -> Value {
        let (prefix, object) = match self {
            Self::Chat => ("chatcmpl", "chat.completion.chunk"),
            Self::Completions => ("cmpl", "text_completion"),
        };
        json!({
            "id": format!("{prefix}-{}", answer.number),
            "object": object,
            "created": answer.created,
            "model": answer.model,
            "choices": choices,
        })
    }
}

fn finish_reason(answer: &Answer) -> Value {
    if answer.is_cut { "length".into() } else { "stop".into() }
}

fn usage(answer: &Answer, input: u64, output: u64) -> Value {
    json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": answer.cached.min(input)},
    })
}

/// llama-server's account of one choice, which has the cached tokens beside the others.
fn timings(answer: &Answer) -> Value {
    let cached = answer.cached.min(answer.first_input);
    json!({
        "cache_n": cached,
        "prompt_n": answer.first_input - cached,
        "prompt_ms": 1.0,
        "predicted_n": answer.output,
        "predicted_ms": 1.0,
    })
}
