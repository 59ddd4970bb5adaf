//! The interface of one endpoint, by its path.

use crate::Dialect;

/// The interface of one endpoint: the names that its servers read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Interface {
    Chat,
    Completions,
    Responses,
    Messages,
    Ollama,
    LlamaCpp,
    Tgi,
    Gemini,
    Cohere,
    /// Embeddings, rankings and counts of tokens.
    WithoutOutput,
}

/// The facts of a request that its path tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathFacts<'p> {
    pub(super) interface: Option<Interface>,
    pub(super) model: Option<&'p str>,
    pub(super) streams: bool,
}

impl<'p> PathFacts<'p> {
    pub(super) fn of(path: &'p str) -> Self {
        let path = path.trim_end_matches('/');
        let mut segments = path.rsplit('/');
        let (last, before) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        let (name, method) = last.split_once(':').unwrap_or((last, ""));
        let interface = match (before, name, method) {
            (.., "generateContent" | "streamGenerateContent") => Some(Interface::Gemini),
            (.., "embedContent" | "batchEmbedContents" | "countTokens") => Some(Interface::WithoutOutput),
            ("chat", "completions", _) => Some(Interface::Chat),
            (_, "completions", _) => Some(Interface::Completions),
            (_, "responses", _) => Some(Interface::Responses),
            (_, "messages", _) => Some(Interface::Messages),
            (
                _,
                "embeddings" | "embedding" | "embed" | "embed_all" | "embed_sparse" | "rerank" | "reranking"
                | "score" | "classify" | "moderations" | "pooling" | "tokenize" | "detokenize"
                | "count_tokens" | "input_tokens",
                _,
            ) => Some(Interface::WithoutOutput),
            _ => None,
        };
        let streams = method == "streamGenerateContent" || name == "generate_stream";
        Self { interface, model: model(path), streams }
    }
}

impl Interface {
    /// The interface of a dialect whose path tells nothing.
    pub(super) fn of(dialect: Dialect, shape: Shape) -> Self {
        match dialect {
            Dialect::OpenAi => match shape {
                Shape { has_messages: true, .. } => Self::Chat,
                Shape { has_input: true, .. } => Self::Responses,
                Shape { .. } => Self::Completions,
            },
            Dialect::Anthropic => Self::Messages,
            Dialect::Ollama => Self::Ollama,
            Dialect::LlamaCpp => Self::LlamaCpp,
            Dialect::Tgi => Self::Tgi,
            Dialect::Gemini => Self::Gemini,
            Dialect::Cohere => Self::Cohere,
        }
    }
}

/// The members of a body that tell its interface.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    pub(super) has_messages: bool,
    pub(super) has_input: bool,
}

/// The model of `/v1beta/models/NAME:generateContent` and of `/openai/deployments/NAME/chat/completions`.
fn model(path: &str) -> Option<&str> {
    let mut segments = path.split('/').skip_while(|segment| !matches!(*segment, "models" | "deployments"));
    let name = segments.nth(1)?.split(':').next()?;
    Some(name).filter(|name| !name.is_empty())
}
