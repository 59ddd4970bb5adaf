//! The fate of an answer whose tokens are spent while it runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The fate of an answer that is longer than what was reserved for it, once its limit is spent.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExhausted {
    /// It goes on to its end. What it uses is a debt.
    #[default]
    Finish,
    /// A stream ends with an error in the dialect of its route. Answers in one piece go on.
    Cut,
}
