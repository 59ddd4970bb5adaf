//! The families of rate limit headers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A family of rate limit headers. Each has its own names and its own idea of a reset.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderFamily {
    /// `RateLimit` and `RateLimit-Policy`, the IETF draft's structured fields.
    #[default]
    Ietf,
    /// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, the draft's sixth version.
    #[serde(rename = "draft-06")]
    Draft06,
    /// `X-RateLimit-*` with an epoch, as GitHub and slowapi send them.
    Github,
    /// `x-ratelimit-*-requests` and `x-ratelimit-*-tokens` with durations, as OpenAI sends them.
    Openai,
    /// `anthropic-ratelimit-*` with times of day.
    Anthropic,
}
