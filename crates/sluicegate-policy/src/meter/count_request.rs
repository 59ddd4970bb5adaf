//! The request that asks a model server for the tokens of another request's input.

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};

use super::{InputCount, members::Members};
use crate::{Dialect, Estimate};

/// The request that asks a model server for the tokens of another request's input. Nothing is generated for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CountRequest {
    endpoints: Vec<String>,
    body: Bytes,
}

impl CountRequest {
    /// The request for one with this estimate, to this path and with this body. `None` if no endpoint counts such requests:
    /// servers count a conversation or a prompt in one text, and no pictures.
    pub(crate) fn of(
        count: &InputCount,
        dialect: Dialect,
        path: &str,
        body: &[u8],
        estimate: &Estimate,
    ) -> Option<Self> {
        if estimate.has_media || estimate.prompts > 1 {
            return None;
        }
        let endpoints = count.endpoints(dialect, path);
        let takes_prompts = endpoints.first()?.ends_with("tokenize");
        let body = written(body, takes_prompts)?;
        Some(Self { endpoints, body: body.into() })
    }

    /// The paths of the endpoints. A server has one of them.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// The body, which is JSON.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The largest answer in bytes that makes sense. Some servers send the number of each token, and no text has more tokens
    /// than bytes.
    #[must_use]
    pub fn most_bytes(&self) -> usize {
        FRAME + self.body.len() * BYTES_PER_TOKEN
    }

    /// The tokens of the input, by the body of an answer.
    #[must_use]
    pub fn tokens(answer: &[u8]) -> Option<u64> {
        let Answer { input_tokens, count, tokens } = serde_json::from_slice(answer).ok()?;
        let listed = || tokens.and_then(|tokens| u64::try_from(tokens.len()).ok());
        input_tokens.or(count).or_else(listed).filter(|tokens| *tokens > 0)
    }
}

/// The answers of all endpoints. A list of nothing takes no memory.
#[derive(Deserialize)]
struct Answer {
    input_tokens: Option<u64>,
    count: Option<u64>,
    tokens: Option<Vec<IgnoredAny>>,
}

/// The body that asks for the tokens of the request with this `body`. The members that make its input are copied as they are.
fn written(body: &[u8], takes_prompts: bool) -> Option<Vec<u8>> {
    let (mut conversation, mut has_messages, mut prompt, mut model) = (Vec::new(), false, None, None);
    for member in Members::at(body, 0)? {
        let value = body.get(member.value.clone())?;
        let Some(name) = INPUT.into_iter().find(|name| member.is_named(name)) else { continue };
        match name {
            "messages" => has_messages = true,
            "prompt" | "input" => prompt = Some(value),
            "model" => model = Some(value),
            // The text behind the gap that the model fills, for which servers have no count.
            "suffix" => return None,
            _ => {}
        }
        conversation.push(body.get(member.span)?);
    }
    if has_messages || !takes_prompts {
        return Some([b"{", &conversation.join(&b',')[..], b"}"].concat());
    }
    // A list of prompts, or numbers of tokens.
    let prompt = prompt.filter(|prompt| prompt.first() == Some(&b'"'))?;
    let model = model.map(|model| [b"\"model\":", model, b","].concat()).unwrap_or_default();
    // vLLM reads the first, and llama-server the others. Both begin the prompt with the token that begins texts.
    let parts: [&[u8]; 6] =
        [b"{", &model, b"\"prompt\":", prompt, b",\"add_special\":true,\"content\":", prompt];
    Some([&parts.concat()[..], b"}"].concat())
}

/// The members of a request that make its input. Hosted servers refuse those of its output.
const INPUT: [&str; 26] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "thinking",
    "input",
    "prompt",
    "suffix",
    "instructions",
    "previous_response_id",
    "conversation",
    "reasoning",
    "reasoning_effort",
    "text",
    "truncation",
    "documents",
    "response_format",
    "chat_template",
    "chat_template_kwargs",
    "add_generation_prompt",
    "continue_final_message",
    "add_special_tokens",
];
/// The bytes of an answer beside its list of tokens.
const FRAME: usize = 64 * 1024;
/// The bytes of a token in a list: up to seven digits and a comma.
const BYTES_PER_TOKEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(dialect: Dialect, path: &str, body: &str) -> Option<String> {
        let estimate = Estimate::of_request(dialect, path, body.as_bytes()).unwrap();
        let count = InputCount { endpoint: None, timeout: InputCount::TIMEOUT };
        let request = CountRequest::of(&count, dialect, path, body.as_bytes(), &estimate)?;
        assert!(serde_json::from_slice::<IgnoredAny>(request.body()).is_ok(), "{request:?}");
        Some(String::from_utf8(request.body().to_vec()).unwrap())
    }

    #[test]
    fn a_conversation_is_asked_for_without_the_members_of_its_output() {
        let body = r#"{ "model":"m", "messages" : [{"role":"user","content":"a \"b\""}],"max_tokens":5, "stream":true,"tools":[] }"#;
        let asks = r#"{"model":"m","messages" : [{"role":"user","content":"a \"b\""}],"tools":[]}"#;
        assert_eq!(asked(Dialect::OpenAi, "/v1/chat/completions", body).as_deref(), Some(asks));
        let body = r#"{"max_tokens":5,"metadata":{},"system":"s","\u006dessages":[{"content":"hi"}]}"#;
        let asks = r#"{"system":"s","\u006dessages":[{"content":"hi"}]}"#;
        assert_eq!(asked(Dialect::Anthropic, "/v1/messages", body).as_deref(), Some(asks));
        let body = r#"{"input":"hi","max_output_tokens":5,"instructions":"i","store":false}"#;
        let asks = r#"{"input":"hi","instructions":"i"}"#;
        assert_eq!(asked(Dialect::OpenAi, "/v1/responses", body).as_deref(), Some(asks));
    }

    #[test]
    fn a_prompt_is_asked_for_as_each_server_reads_it() {
        let asks = r#"{"model":"m","prompt":"a\nb","add_special":true,"content":"a\nb"}"#;
        for (dialect, path, body) in [
            (
                Dialect::OpenAi,
                "/v1/completions",
                r#"{"prompt":"a\nb","max_tokens":5,"model":"m","echo":true}"#,
            ),
            (Dialect::OpenAi, "/v1/embeddings", r#"{"model":"m","input":"a\nb"}"#),
            (Dialect::LlamaCpp, "/completion", r#"{"n_predict":5,"model":"m","prompt":"a\nb"}"#),
        ] {
            assert_eq!(asked(dialect, path, body).as_deref(), Some(asks), "{path}");
        }
    }

    #[test]
    fn a_request_that_no_endpoint_counts_is_not_asked_for() {
        let picture = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}]}"#;
        for (dialect, path, body) in [
            (Dialect::OpenAi, "/v1/completions", r#"{"prompt":["a","b"]}"#),
            (Dialect::OpenAi, "/v1/completions", r#"{"prompt":["a"]}"#),
            (Dialect::OpenAi, "/v1/completions", r#"{"prompt":[1,2,3]}"#),
            (Dialect::OpenAi, "/v1/completions", r#"{"prompt":"a","suffix":"b"}"#),
            (Dialect::LlamaCpp, "/completion", r#"{"prompt":{"prompt_string":"a","multimodal_data":[]}}"#),
            (Dialect::LlamaCpp, "/completion", r#"{"prompt":"a","image_data":[{"data":"AAAA","id":1}]}"#),
            (Dialect::OpenAi, "/v1/rerank", r#"{"query":"a","documents":["b"]}"#),
            (Dialect::OpenAi, "/v1/chat/completions", picture),
            (Dialect::Anthropic, "/v1/messages/count_tokens", r#"{"messages":[]}"#),
        ] {
            assert_eq!(asked(dialect, path, body), None, "{path} {body}");
        }
    }

    #[test]
    fn the_answers_of_all_servers_are_read() {
        for (answer, tokens) in [
            (r#"{"input_tokens":27}"#, Some(27)),
            (r#"{"object":"response.input_tokens","input_tokens":27}"#, Some(27)),
            (r#"{"count":3,"max_model_len":512,"tokens":[1,2,3],"token_strs":null}"#, Some(3)),
            (r#"{"tokens":[2,10979,236764]}"#, Some(3)),
            (r#"{"tokens":[{"id":2,"piece":"a"}]}"#, Some(1)),
            (r#"{"tokens":[]}"#, None),
            (r#"{"input_tokens":0}"#, None),
            (r#"{"input_tokens":-5}"#, None),
            (r#"{"input_tokens":"27"}"#, None),
            (r#"{"input_tokens":1,"input_tokens":2}"#, None),
            (r#"{"error":{"message":"no"}}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(CountRequest::tokens(answer.as_bytes()), tokens, "{answer}");
        }
    }
}
