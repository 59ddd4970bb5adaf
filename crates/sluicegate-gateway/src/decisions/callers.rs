//! The callers of the decision server, and who of them may ask.

use std::{cell::Cell, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use sluicegate_policy::Policy;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// Tells callers that may ask from others.
#[derive(Default)]
pub(super) struct Callers {
    /// The time of the last warning of a caller without the token.
    warned: Cell<Option<Instant>>,
}

impl Callers {
    /// Returns `true` if the policy wants no token, or the caller has sent it in a header.
    pub(super) fn may_ask(&self, policy: &Policy, headers: &HeaderMap) -> bool {
        self.know(policy, headers.get(TOKEN).map(HeaderValue::as_bytes).unwrap_or_default())
    }

    /// Returns `true` if the policy wants no token, or this is it.
    pub(super) fn know(&self, policy: &Policy, sent: &[u8]) -> bool {
        let wanted = policy.decisions.as_ref().and_then(|decisions| decisions.token.as_ref());
        let Some(wanted) = wanted else { return true };
        // Takes the same time wherever they differ.
        if bool::from(sent.ct_eq(wanted.reveal().as_bytes())) {
            return true;
        }
        let now = Instant::now();
        if self.warned.get().is_none_or(|warned| now - warned >= WARNING_PAUSE) {
            self.warned.set(Some(now));
            tracing::warn!(
                "a caller of the decision server does not send the token of the policy's [decisions]"
            );
        }
        false
    }
}

/// The answer to a caller that may not ask.
pub(super) fn unknown() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(NO_TOKEN.as_bytes()));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

/// The header with the token of the policy's `[decisions]`.
pub(super) const TOKEN: HeaderName = HeaderName::from_static("sluicegate-token");

/// The time between two warnings.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

pub(super) const NO_TOKEN: &str =
    "send the token of the policy's [decisions] in the header Sluicegate-Token\n";
