//! The endpoints that generate: their paths, dialects and types of streams.

use crate::dialect::{Dialect, Messages, Ollama, OpenAi, Responses};

/// An endpoint that generates.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    pub(crate) dialect: &'static dyn Dialect,
    /// The `Content-Type` of a stream.
    pub(crate) stream: &'static str,
}

impl Endpoint {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self { path: "/v1/chat/completions", dialect: &OpenAi::Chat, stream: EVENTS },
        Self { path: "/v1/completions", dialect: &OpenAi::Completions, stream: EVENTS },
        Self { path: "/v1/responses", dialect: &Responses, stream: EVENTS },
        Self { path: "/v1/messages", dialect: &Messages, stream: EVENTS },
        Self { path: "/api/chat", dialect: &Ollama::Chat, stream: LINES },
        Self { path: "/api/generate", dialect: &Ollama::Generate, stream: LINES },
    ];

    /// Returns `true` if a stream can have comments.
    pub(crate) fn has_comments(&self) -> bool {
        self.stream == EVENTS
    }
}

const EVENTS: &str = "text/event-stream";
const LINES: &str = "application/x-ndjson";
