//! `X-RateLimit-*` as GitHub and slowapi send them: the reset is a time, in seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};

use super::{LimitHeaders, LimitState, tightest, whole_seconds};

pub(super) fn write(headers: &mut LimitHeaders, states: &[LimitState<'_>], now: SystemTime) {
    let Some(state) = tightest(states) else { return };
    let limit = state.quota.amount();
    headers.push_number(LIMIT, limit);
    headers.push_number(REMAINING, state.remaining());
    headers.push_number(USED, limit.saturating_sub(state.remaining()));
    headers.push_number(RESET, unix_seconds(now, state.balance.reset_after));
    if let Ok(name) = HeaderValue::from_str(state.name) {
        headers.push(RESOURCE, name);
    }
}

/// The first whole second of the calendar at which so much time has passed.
pub(super) fn unix_seconds(now: SystemTime, after: Duration) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    whole_seconds(since.saturating_add(after))
}

pub(super) const FIELDS: [HeaderName; 5] = [LIMIT, REMAINING, USED, RESET, RESOURCE];
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const USED: HeaderName = HeaderName::from_static("x-ratelimit-used");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RESOURCE: HeaderName = HeaderName::from_static("x-ratelimit-resource");
