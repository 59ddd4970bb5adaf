//! Names of OpenTelemetry's conventions for generative AI, version 0.1.0.

use sluicegate_policy::{Dialect, Estimate, TokenClass, Usage};

/// The operation that a request asks of a model.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Operation {
    /// `gen_ai.operation.name`.
    pub(crate) name: &'static str,
    /// `gen_ai.provider.name`: the one whose interface is spoken.
    pub(crate) provider: &'static str,
}

impl Operation {
    /// The operation of a request to this path.
    pub(crate) fn of(dialect: Dialect, path: &str, estimate: &Estimate) -> Self {
        let provider = match dialect {
            Dialect::OpenAi => "openai",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gcp.gemini",
            Dialect::Cohere => "cohere",
            Dialect::Ollama => "ollama",
            Dialect::LlamaCpp => "llama.cpp",
            Dialect::Tgi => "tgi",
        };
        let name = match dialect {
            _ if estimate.is_without_output => EMBEDDINGS,
            Dialect::Gemini => "generate_content",
            Dialect::LlamaCpp | Dialect::Tgi => "text_completion",
            Dialect::OpenAi if path.ends_with("/completions") && !path.ends_with("/chat/completions") => {
                "text_completion"
            }
            Dialect::Ollama if path.ends_with("/generate") => "text_completion",
            Dialect::OpenAi | Dialect::Anthropic | Dialect::Ollama | Dialect::Cohere => "chat",
        };
        Self { name, provider }
    }
}

/// The name of the model that a request asks for. A name that is longer than any model's is not told.
pub(crate) fn model(estimate: &Estimate) -> Option<&str> {
    estimate.model.as_deref().map(|name| if name.len() <= LONGEST_MODEL { name } else { OTHER })
}

/// The tokens of a usage by their names behind `gen_ai.usage.`. Parts are counted in the whole as well: cached tokens in the
/// input, and reasoning in the output.
pub(crate) fn usage(usage: &Usage) -> [(&'static str, u64); 5] {
    let sum = |is_input| {
        let classes = TokenClass::ALL.into_iter().filter(|class| class.is_input() == is_input);
        classes.fold(0u64, |sum, class| sum.saturating_add(usage.of(class)))
    };
    [
        ("input_tokens", sum(true)),
        ("output_tokens", sum(false)),
        ("cache_read.input_tokens", usage.of(TokenClass::CachedInput)),
        ("cache_write.input_tokens", usage.of(TokenClass::CacheWrite)),
        ("reasoning.output_tokens", usage.of(TokenClass::Reasoning)),
    ]
}

/// The tokens of a usage by the same names, and by the modality of those tokens. Without a usage, that of nothing.
pub(crate) fn usage_by_modality(
    used: Option<&Usage>,
    has_media: bool,
) -> Vec<(&'static str, &'static str, u64)> {
    let Some(used) = used else { return vec![("input_tokens", UNKNOWN, 0), ("output_tokens", UNKNOWN, 0)] };
    // A server that does not tell media apart counts them as text.
    let rest = if has_media { UNKNOWN } else { "text" };
    let mut by_modality = Vec::with_capacity(5);
    for (name, tokens) in usage(used) {
        let of = |class| if name == class_total(class) { used.of(class) } else { 0 };
        let audio = of(TokenClass::AudioInput) + of(TokenClass::AudioOutput);
        let image = of(TokenClass::ImageInput) + of(TokenClass::ImageOutput);
        let is_whole = matches!(name, "input_tokens" | "output_tokens");
        for (modality, tokens) in
            [(rest, tokens.saturating_sub(audio).saturating_sub(image)), ("audio", audio), ("image", image)]
        {
            if tokens > 0 || is_whole && modality == rest {
                by_modality.push((name, modality, tokens));
            }
        }
    }
    by_modality
}

/// The name of the whole that tokens of a class are part of.
fn class_total(class: TokenClass) -> &'static str {
    if class.is_input() { "input_tokens" } else { "output_tokens" }
}

/// The operation of models that make nothing but numbers. It has conventions of its own.
pub(crate) const EMBEDDINGS: &str = "embeddings";
/// The name of whatever has no name of its own.
pub(crate) const OTHER: &str = "_OTHER";
/// The modality of tokens that nobody has told apart.
const UNKNOWN: &str = "unknown";
/// Bytes of the longest name of a model.
const LONGEST_MODEL: usize = 128;
