//! The tokens around the texts of a request, as models count them.

use crate::Dialect;

use super::{picture::PictureRule, request::ToolCounts};

/// The tokens around a message, beside its role.
pub(super) const MESSAGE: u64 = 3;
/// The tokens around a conversation.
pub(super) const CONVERSATION: u64 = 3;
/// The name of a message's author.
pub(super) const NAME: u64 = 1;
/// The token at the beginning of a prompt.
pub(super) const PROMPT: u64 = 1;

/// The tokens around the texts of tools.
pub(super) fn tools(counts: ToolCounts, dialect: Dialect, model: &str) -> u64 {
    let ToolCounts { functions, properties, values } = counts;
    if functions == 0 {
        return 0;
    }
    // OpenAI's models read a short form of their own, and templates of open models the JSON itself.
    let is_short = is_openai(model);
    let (each_function, each_property, each_value) = match is_short {
        true if ["gpt-4o", "gpt-4.", "gpt-5"].iter().any(|start| model.starts_with(start)) => (7, 3, 3),
        true => (10, 3, 3),
        false => (16, 10, 4),
    };
    let around = if dialect == Dialect::Anthropic || is_claude(model) { ANTHROPIC_TOOLS } else { TOOLS };
    let all = [(functions, each_function), (properties, each_property), (values, each_value)];
    all.into_iter().map(|(count, tokens)| count.saturating_mul(tokens)).fold(around, u64::saturating_add)
}

/// The rule by which a model counts pictures.
pub(super) fn picture_rule(dialect: Dialect, model: &str) -> PictureRule {
    let has = |part: &str| model.contains(part);
    match dialect {
        _ if dialect == Dialect::Anthropic || is_claude(model) => {
            let is_older =
                ["claude-2", "claude-3", "-4-0", "-4-1", "-4-2", "-4-5", "-4-6"].into_iter().any(has);
            if is_older {
                PictureRule::Anthropic { edge: 1568, most: 1600 }
            } else {
                PictureRule::Anthropic { edge: 2576, most: 4784 }
            }
        }
        _ if dialect == Dialect::Gemini || model.starts_with("gemini") => PictureRule::Gemini,
        _ if !is_openai(model) => PictureRule::Open,
        _ if has("nano") => PictureRule::Patches(246),
        _ if has("o4-mini") => PictureRule::Patches(172),
        _ if has("4o-mini") => PictureRule::Tiles,
        _ if has("mini") => PictureRule::Patches(162),
        _ if ["gpt-4o", "gpt-4-", "o1", "o3"].iter().any(|start| model.starts_with(start)) => {
            PictureRule::Tiles
        }
        _ => PictureRule::Patches(100),
    }
}

fn is_openai(model: &str) -> bool {
    ["gpt-", "chatgpt", "o1", "o3", "o4", "text-embedding"].iter().any(|start| model.starts_with(start))
        && !model.starts_with("gpt-oss")
}

fn is_claude(model: &str) -> bool {
    model.contains("claude")
}

/// The end of a list of tools.
const TOOLS: u64 = 12;
/// The text about tools that Anthropic's models read before them.
const ANTHROPIC_TOOLS: u64 = 346;
