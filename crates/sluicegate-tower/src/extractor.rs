//! The permit as an extractor of axum.

use std::{error::Error, fmt};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};

use crate::Permit;

/// The route of a handler that takes a [`Permit`] has no [`RateLimitLayer`](crate::RateLimitLayer). The response is a 500.
///
/// Take `Option<Permit>` in handlers that also serve routes without limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoPermit;

impl<S: Send + Sync> FromRequestParts<S> for Permit {
    type Rejection = NoPermit;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, NoPermit> {
        head.extensions.get().cloned().ok_or(NoPermit)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Permit {
    type Rejection = NoPermit;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Option<Self>, NoPermit> {
        Ok(head.extensions.get().cloned())
    }
}

impl IntoResponse for NoPermit {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl fmt::Display for NoPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no permit: add a RateLimitLayer to the route of this handler, or take Option<Permit>")
    }
}

impl Error for NoPermit {}
