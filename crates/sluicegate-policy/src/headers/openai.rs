//! `x-ratelimit-*-requests` and `-tokens` with resets as Go writes durations, as OpenAI sends them.

use std::{fmt::Write as _, time::Duration};

use http::HeaderName;
use sluicegate::Unit;

use super::{Account, Lines, remaining, tightest};

pub(super) fn write(lines: &mut Lines, accounts: &[Account<'_>]) {
    for (unit, [limit, left, reset]) in [(Unit::Requests, REQUESTS), (Unit::Tokens, TOKENS)] {
        let Some(account) = tightest(accounts, |counted| counted == unit) else { continue };
        lines.add(HeaderName::from_static(limit), account.quota.amount().to_string());
        lines.add(HeaderName::from_static(left), remaining(account).to_string());
        lines.add(HeaderName::from_static(reset), go_duration(account.balance.reset_after));
    }
}

/// `12ms`, `1s`, `6m0s`, `1h2m3s`: milliseconds are rounded up, and given only below a second.
fn go_duration(duration: Duration) -> String {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    if milliseconds < 1_000 {
        return format!("{milliseconds}ms");
    }
    let seconds = milliseconds.div_ceil(1_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let mut text = String::new();
    // Writing to a string cannot fail.
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours + minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let _ = write!(text, "{}s", seconds % 60);
    text
}

const REQUESTS: [&str; 3] =
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
const TOKENS: [&str; 3] =
    ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];
