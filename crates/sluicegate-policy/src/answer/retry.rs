//! Header fields about retries that clients' libraries read beside `Retry-After`.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The longest wait that is worth a retry.
///
/// Libraries differ above it: some try again at once, three times, others sleep for as long as they are told, if that
/// is hours.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The wait in milliseconds, which OpenAI's and Anthropic's libraries prefer to `Retry-After`.
pub const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// Tells clients' libraries not to try again by themselves.
pub fn forbid(headers: &mut HeaderMap) {
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
}

/// OpenAI's and Anthropic's libraries, and those that are made as they are, read it.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
