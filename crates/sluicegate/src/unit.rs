//! Units of quotas.

use std::{fmt, str::FromStr};

/// The unit of a quota.
///
/// Matches on it are exhaustive, so code that meters or names units does not compile until it handles a new one.
///
/// ```
/// use sluicegate::Unit;
///
/// assert_eq!("items".parse(), Ok(Unit::Items));
/// assert_eq!(Unit::default(), Unit::Requests);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Unit {
    /// Requests, each counted once or by its route's weight.
    #[default]
    Requests,
    /// Predictions in a batch.
    Items,
    /// Model tokens, input and output together.
    Tokens,
    /// Model tokens read.
    InputTokens,
    /// Model tokens written.
    OutputTokens,
    /// Bytes of request body.
    Bytes,
    /// Money. One US dollar is 10⁹ units of [`Cost`](crate::Cost), so that one token of the cheapest
    /// model still costs a whole number.
    Usd,
    /// Requests in flight at one time.
    Concurrent,
}

impl Unit {
    /// Every unit, in the order in which they are documented.
    pub const ALL: [Self; 8] = [
        Self::Requests,
        Self::Items,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Bytes,
        Self::Usd,
        Self::Concurrent,
    ];

    /// The name that the quota grammar and the policy file use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Items => "items",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Bytes => "bytes",
            Self::Usd => "usd",
            Self::Concurrent => "concurrent",
        }
    }

    /// Returns `true` if it counts tokens of a model.
    #[must_use]
    pub const fn is_tokens(self) -> bool {
        match self {
            Self::Tokens | Self::InputTokens | Self::OutputTokens => true,
            Self::Requests | Self::Items | Self::Bytes | Self::Usd | Self::Concurrent => false,
        }
    }

    /// The units of [`Cost`](crate::Cost) in one of this unit: 10⁹ for a dollar, 1 for all others.
    #[must_use]
    pub const fn scale(self) -> u64 {
        match self {
            Self::Usd => 1_000_000_000,
            Self::Requests
            | Self::Items
            | Self::Tokens
            | Self::InputTokens
            | Self::OutputTokens
            | Self::Bytes
            | Self::Concurrent => 1,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Unit {
    type Err = UnknownUnit;

    /// Reads a unit's name, in any case; `request`, `item` and so on are read as their plurals.
    fn from_str(text: &str) -> Result<Self, UnknownUnit> {
        Self::ALL
            .into_iter()
            .find(|unit| {
                let name = unit.as_str();
                let singular = name.strip_suffix('s').unwrap_or(name);
                text.eq_ignore_ascii_case(name) || text.eq_ignore_ascii_case(singular)
            })
            .ok_or(UnknownUnit)
    }
}

/// The text names no unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownUnit;

impl UnknownUnit {
    pub(crate) const WHAT: &str = "unknown unit";
    pub(crate) const HELP: &str =
        "use requests, items, tokens, input_tokens, output_tokens, bytes, usd or concurrent";
}

impl fmt::Display for UnknownUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", Self::WHAT, Self::HELP)
    }
}

impl std::error::Error for UnknownUnit {}
