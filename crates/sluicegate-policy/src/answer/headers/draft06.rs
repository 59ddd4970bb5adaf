//! `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, the IETF draft's sixth version: seconds from now.

use http::HeaderName;

use super::{Lines, Standing, tightest};

pub(super) fn write(lines: &mut Lines, standings: &[Standing<'_>]) {
    let Some(standing) = tightest(standings) else { return };
    lines.push_number(LIMIT, standing.quota.amount());
    lines.push_number(REMAINING, standing.remaining());
    lines.push_number(RESET, standing.reset_seconds());
}

pub(super) const FIELDS: [HeaderName; 3] = [LIMIT, REMAINING, RESET];
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
