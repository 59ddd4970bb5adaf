//! Errors.

use std::{error::Error, fmt};

use sluicegate::StoreError;
use sluicegate_policy::{ApiKeysError, CodeRouteError, Diagnostics};

/// The error of a body: that of the body within, or [`Exhausted`](crate::Exhausted).
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The reason that a layer cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// It was given neither limits nor a policy.
    NoLimits,
    /// The policy is wrong: all its errors, each with its place.
    Policy(Diagnostics),
    /// The limits in code are wrong.
    Limits(CodeRouteError),
    /// The file of API keys is wrong.
    ApiKeys(ApiKeysError),
    /// The store's settings make no sense, or the system gives it no thread.
    Store(StoreError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLimits => {
                f.write_str("a layer without limits: give its builder a limit, a policy_file or a policy")
            }
            Self::Policy(errors) => errors.fmt(f),
            Self::Limits(error) => error.fmt(f),
            Self::ApiKeys(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoLimits => None,
            Self::Policy(errors) => Some(errors),
            Self::Limits(error) => Some(error),
            Self::ApiKeys(error) => Some(error),
            Self::Store(error) => Some(error),
        }
    }
}

impl From<Diagnostics> for BuildError {
    fn from(errors: Diagnostics) -> Self {
        Self::Policy(errors)
    }
}

impl From<CodeRouteError> for BuildError {
    fn from(error: CodeRouteError) -> Self {
        Self::Limits(error)
    }
}

impl From<ApiKeysError> for BuildError {
    fn from(error: ApiKeysError) -> Self {
        Self::ApiKeys(error)
    }
}

impl From<StoreError> for BuildError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
