//! The form in which a client expects an answer.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{Response, request::Parts};

use super::grpc;
use crate::{Dialect, decide::cors::CorsFields};

/// The form in which the sender of a request expects an answer. It outlives the head, which goes on to the upstream.
///
/// Make it when the request is decided: some families of headers tell moments, which count from then.
#[derive(Clone, Debug)]
pub struct Form {
    pub(super) kind: Kind,
    /// The fields that let a page read the answer, where the policy has `[cors]`.
    pub(super) cors: Option<Arc<CorsFields>>,
    /// The time of the decision, where a family of headers tells moments.
    pub(super) decided: Option<SystemTime>,
}

/// The kind of document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A problem document whose `error` is an object.
    Problem,
    /// A problem document whose `error` is a text, as KServe's clients expect.
    Kserve,
    /// A status of gRPC.
    Grpc,
    /// An error of Anthropic's interface.
    Anthropic,
    /// An error of Google's interfaces.
    Google,
    /// An error of Ollama's interface.
    Ollama,
}

impl Form {
    /// Lets the page that has sent the request read the response.
    pub(super) fn shared(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        if let Some(cors) = &self.cors {
            cors.append_to(response.headers_mut());
        }
        response
    }
}

impl Kind {
    /// The kind for a request of this head, on a route whose tokens are metered in this dialect.
    pub(super) fn of(head: &Parts, dialect: Option<Dialect>) -> Self {
        if grpc::asks(&head.headers) {
            Self::Grpc
        } else if head.uri.path().starts_with(KSERVE) {
            Self::Kserve
        } else {
            match dialect {
                Some(Dialect::Anthropic) => Self::Anthropic,
                Some(Dialect::Gemini) => Self::Google,
                Some(Dialect::Ollama) => Self::Ollama,
                Some(Dialect::OpenAi | Dialect::LlamaCpp | Dialect::Tgi | Dialect::Cohere) | None => {
                    Self::Problem
                }
            }
        }
    }
}

const KSERVE: &str = "/v2/models/";
