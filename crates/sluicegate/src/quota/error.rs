//! Invalid quotas.

use std::{fmt, ops::Range, time::Duration};

use super::Quota;
use crate::{Algorithm, unit::UnknownUnit};

/// An invalid text or combination: what is wrong, where in the text, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QuotaError {
    message: String,
    span: Range<usize>,
    /// The word that is no unit, if that is what is wrong.
    unknown_unit: Option<String>,
}

impl QuotaError {
    /// The bytes of the text that are wrong; empty for an error that is not about a text.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The word that should be a unit and is none, if that is what is wrong: who meters fewer units than there are can
    /// offer those.
    #[must_use]
    pub fn unknown_unit_word(&self) -> Option<&str> {
        self.unknown_unit.as_deref()
    }

    pub(super) fn unknown_unit(span: Range<usize>, word: &str) -> Self {
        let message = format!("{} `{word}`; {}", UnknownUnit::WHAT, UnknownUnit::HELP);
        Self { unknown_unit: Some(word.to_owned()), ..Self::at(span, message) }
    }

    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span, unknown_unit: None }
    }

    /// The same error about this part of a text.
    pub(super) fn spanning(self, span: Range<usize>) -> Self {
        Self { span, ..self }
    }

    pub(super) fn window(window: Duration) -> Self {
        let message = if window.is_zero() {
            "a window of no time; give at least a nanosecond".to_owned()
        } else {
            format!("a window of {} s is too long; give at most 18 years", window.as_secs())
        };
        Self::at(0..0, message)
    }

    pub(super) fn burst_of(algorithm: Algorithm) -> Self {
        Self::at(
            0..0,
            format!("{algorithm} takes no burst of its own; leave the burst out or use token-bucket"),
        )
    }

    pub(super) fn burst_too_long(burst: u64) -> Self {
        Self::at(
            0..0,
            format!("a burst of {burst} would take longer than 36 years to come back; give a smaller one"),
        )
    }

    pub(super) fn concurrent_window() -> Self {
        Self::at(
            0..0,
            "a concurrent quota has no window and no other algorithm: write it as `8 concurrent`, or give a window",
        )
    }

    pub(super) fn log(amount: u64) -> Self {
        let most = Quota::MAX_LOG;
        Self::at(0..0, format!("sliding-log keeps at most {most} units, not {amount}; use sliding-window"))
    }
}

impl fmt::Display for QuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for QuotaError {}
