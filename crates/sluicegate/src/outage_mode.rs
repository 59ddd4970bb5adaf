//! The mode of a charge while its store is down.

use std::{fmt, str::FromStr};

/// The mode of a [`Charge`](crate::Charge) while its store is down. A [`Fallback`](crate::Fallback) follows it; a store that
/// always responds never uses it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum OutageMode {
    /// It is taken from an account in this process's memory that begins full, and holds this instance's share of the
    /// quota.
    #[default]
    Local,
    /// The request passes as if it had not been charged.
    Allow,
    /// The request does not pass: an error, not a denial.
    Deny,
}

impl OutageMode {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Local, Self::Allow, Self::Deny];

    /// The name that the policy file uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for OutageMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for OutageMode {
    type Err = UnknownOutageMode;

    fn from_str(text: &str) -> Result<Self, UnknownOutageMode> {
        Self::ALL.into_iter().find(|outage| outage.as_str() == text).ok_or(UnknownOutageMode)
    }
}

/// The text names nothing that could be done in an outage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownOutageMode;

impl fmt::Display for UnknownOutageMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("in an outage a limit can do: local, allow or deny")
    }
}

impl std::error::Error for UnknownOutageMode {}
