//! Counting the input of requests by the model server itself.

use std::time::Duration;

use crate::Dialect;

/// The setting of a route whose upstream counts the input of each request before it runs. Only the gateway heeds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InputCount {
    /// The path of the endpoint, if the policy names one.
    pub(crate) endpoint: Option<String>,
    pub(crate) timeout: Duration,
}

impl InputCount {
    /// The interfaces whose servers have such endpoints.
    pub const DIALECTS: [Dialect; 3] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::LlamaCpp];
    /// The maximum time to wait for a count, unless the policy has another.
    pub const TIMEOUT: Duration = Duration::from_millis(250);

    /// The path of the endpoint, if the policy names one. Otherwise the interface and the request's path tell it.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The maximum time to wait for a count.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The paths that may count the input of a request to `path`. A server has one of them.
    pub(super) fn endpoints(&self, dialect: Dialect, path: &str) -> Vec<String> {
        let path = path.trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        // Counting is not counted beforehand.
        if ["tokenize", "detokenize", INPUT_TOKENS, COUNT_TOKENS].contains(&last) {
            return Vec::new();
        }
        let below = |name: &str| format!("{path}/{name}");
        match (&self.endpoint, dialect) {
            (Some(endpoint), _) => vec![endpoint.clone()],
            (None, Dialect::Anthropic) => vec![below(COUNT_TOKENS)],
            // llama-server has the first, and vLLM the second.
            (None, Dialect::OpenAi) if path.ends_with("/chat/completions") => {
                vec![below(INPUT_TOKENS), TOKENIZE.to_owned()]
            }
            (None, Dialect::OpenAi) if last == "responses" => vec![below(INPUT_TOKENS)],
            (None, Dialect::OpenAi | Dialect::LlamaCpp) => vec![TOKENIZE.to_owned()],
            (None, Dialect::Ollama | Dialect::Tgi | Dialect::Gemini | Dialect::Cohere) => Vec::new(),
        }
    }
}

const INPUT_TOKENS: &str = "input_tokens";
const COUNT_TOKENS: &str = "count_tokens";
const TOKENIZE: &str = "/tokenize";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_known_by_the_interface_and_the_path() {
        let by_interface = InputCount { endpoint: None, timeout: InputCount::TIMEOUT };
        let named = InputCount { endpoint: Some("/llm/tokenize".to_owned()), ..by_interface.clone() };
        for (dialect, path, endpoints) in [
            (
                Dialect::OpenAi,
                "/v1/chat/completions",
                &["/v1/chat/completions/input_tokens", "/tokenize"][..],
            ),
            (Dialect::OpenAi, "/v1/responses/", &["/v1/responses/input_tokens"]),
            (Dialect::OpenAi, "/v1/completions", &["/tokenize"]),
            (Dialect::OpenAi, "/v1/embeddings", &["/tokenize"]),
            (Dialect::Anthropic, "/a/v1/messages", &["/a/v1/messages/count_tokens"]),
            (Dialect::LlamaCpp, "/completion", &["/tokenize"]),
            (Dialect::Ollama, "/api/chat", &[]),
            (Dialect::OpenAi, "/tokenize", &[]),
            (Dialect::Anthropic, "/v1/messages/count_tokens", &[]),
        ] {
            assert_eq!(by_interface.endpoints(dialect, path), endpoints, "{path}");
        }
        assert_eq!(named.endpoints(Dialect::OpenAi, "/v1/chat/completions"), ["/llm/tokenize"]);
        assert!(named.endpoints(Dialect::OpenAi, "/tokenize").is_empty());
    }
}
