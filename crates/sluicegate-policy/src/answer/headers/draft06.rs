//! `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, the IETF draft's sixth version: seconds from now.

use http::HeaderName;

use super::{LimitHeaders, LimitState, tightest};

pub(super) fn write(headers: &mut LimitHeaders, states: &[LimitState<'_>]) {
    let Some(state) = tightest(states) else { return };
    headers.push_number(LIMIT, state.quota.amount());
    headers.push_number(REMAINING, state.remaining());
    headers.push_number(RESET, state.reset_seconds());
}

pub(super) const FIELDS: [HeaderName; 3] = [LIMIT, REMAINING, RESET];
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
