//! `X-RateLimit-*` with a reset in seconds since 1970, as GitHub and slowapi send them.

use std::time::SystemTime;

use http::HeaderName;
use sluicegate::Unit;

use super::{Account, Lines, remaining, seconds, tightest};
use crate::UtcTime;

pub(super) fn write(lines: &mut Lines, accounts: &[Account<'_>]) {
    let Some(account) = tightest(accounts, |unit| unit != Unit::Concurrent) else { return };
    let (limit, left) = (account.quota.amount(), remaining(account));
    let reset_at =
        UtcTime::from(SystemTime::now()).unix().saturating_add(seconds(account.balance.reset_after));
    lines.add(HeaderName::from_static("x-ratelimit-limit"), limit.to_string());
    lines.add(HeaderName::from_static("x-ratelimit-remaining"), left.to_string());
    lines.add(HeaderName::from_static("x-ratelimit-used"), limit.saturating_sub(left).to_string());
    lines.add(HeaderName::from_static("x-ratelimit-reset"), reset_at.to_string());
    lines.add(HeaderName::from_static("x-ratelimit-resource"), account.name);
}
