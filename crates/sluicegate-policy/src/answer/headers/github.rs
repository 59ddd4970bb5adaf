//! `X-RateLimit-*` as GitHub and slowapi send them: the reset is a time, in seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};

use super::{Lines, Standing, tightest, whole_seconds};

pub(super) fn write(lines: &mut Lines, standings: &[Standing<'_>], now: SystemTime) {
    let Some(standing) = tightest(standings) else { return };
    let limit = standing.quota.amount();
    lines.push_number(LIMIT, limit);
    lines.push_number(REMAINING, standing.remaining());
    lines.push_number(USED, limit.saturating_sub(standing.remaining()));
    lines.push_number(RESET, unix_seconds(now, standing.balance.reset_after));
    if let Ok(name) = HeaderValue::from_str(standing.name) {
        lines.push(RESOURCE, name);
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
