//! `anthropic-ratelimit-*` with resets as times of day (RFC 3339), as Anthropic sends them.

use std::time::SystemTime;

use http::HeaderName;
use sluicegate::Unit;

use super::{Account, Lines, remaining, seconds, tightest};
use crate::UtcTime;

pub(super) fn write(lines: &mut Lines, accounts: &[Account<'_>]) {
    let now = UtcTime::from(SystemTime::now());
    for (unit, [limit, left, reset]) in FAMILIES {
        let Some(account) = tightest(accounts, |counted| counted == unit) else { continue };
        lines.add(HeaderName::from_static(limit), account.quota.amount().to_string());
        lines.add(HeaderName::from_static(left), remaining(account).to_string());
        let reset_at = now.unix().saturating_add(seconds(account.balance.reset_after));
        lines.add(HeaderName::from_static(reset), UtcTime::from_unix(reset_at).to_string());
    }
}

const FAMILIES: [(Unit, [&str; 3]); 4] = [
    (
        Unit::Requests,
        [
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ],
    ),
    (
        Unit::Tokens,
        [
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ],
    ),
    (
        Unit::InputTokens,
        [
            "anthropic-ratelimit-input-tokens-limit",
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ],
    ),
    (
        Unit::OutputTokens,
        [
            "anthropic-ratelimit-output-tokens-limit",
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
        ],
    ),
];
