//! The ways to keep an account.

use std::{fmt, str::FromStr};

/// The algorithm of a limit's account.
///
/// What each admits at most in any span of time Δ, for a quota of `L` units per window `W` with burst `B`:
///
/// | algorithm | at most | use it for |
/// |---|---|---|
/// | [`TokenBucket`](Self::TokenBucket) | `B + L·Δ/W` | nearly everything |
/// | [`FixedWindow`](Self::FixedWindow) | `L` per window, so `2·L` around its edge | quotas that people read as "per day" |
/// | [`SlidingWindow`](Self::SlidingWindow) | less than `2·L` in any `W` | the same numbers as other gateways |
/// | [`SlidingLog`](Self::SlidingLog) | `L` in any `W` | small, strict quotas |
/// | [`Concurrent`](Self::Concurrent) | `L` at any moment | streams, GPU slots |
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// The generic cell rate algorithm (ITU-T I.371): a bucket of `burst` units that refills evenly.
    #[default]
    TokenBucket,
    /// A count that begins with a key's first request and is forgotten a window later.
    FixedWindow,
    /// Two counters: this window's, and the last one's, which fades as this window passes.
    SlidingWindow,
    /// The time of every charge. Exact; for quotas of at most [`MAX_LOG`](crate::Quota::MAX_LOG) units.
    SlidingLog,
    /// Units in use at one time, given back when their permit is dropped.
    Concurrent,
}

impl Algorithm {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 5] =
        [Self::TokenBucket, Self::FixedWindow, Self::SlidingWindow, Self::SlidingLog, Self::Concurrent];

    /// The name that the policy file uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenBucket => "token-bucket",
            Self::FixedWindow => "fixed-window",
            Self::SlidingWindow => "sliding-window",
            Self::SlidingLog => "sliding-log",
            Self::Concurrent => "concurrent",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(UnknownAlgorithm)
    }
}

/// The text names no algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "unknown algorithm; use token-bucket, fixed-window, sliding-window, sliding-log or concurrent",
        )
    }
}

impl std::error::Error for UnknownAlgorithm {}
