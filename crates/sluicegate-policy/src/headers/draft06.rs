//! `RateLimit-Limit`, `-Remaining` and `-Reset` in seconds from now: the draft's sixth version.

use http::HeaderName;
use sluicegate::Unit;

use super::{Account, Lines, remaining, seconds, tightest};

pub(super) fn write(lines: &mut Lines, accounts: &[Account<'_>]) {
    let Some(account) = tightest(accounts, |unit| unit != Unit::Concurrent) else { return };
    lines.add(HeaderName::from_static("ratelimit-limit"), account.quota.amount().to_string());
    lines.add(HeaderName::from_static("ratelimit-remaining"), remaining(account).to_string());
    lines.add(HeaderName::from_static("ratelimit-reset"), seconds(account.balance.reset_after).to_string());
}
