//! `RateLimit` and `RateLimit-Policy`, as draft-ietf-httpapi-ratelimit-headers-11 writes them.

use http::{HeaderName, HeaderValue};
use sluicegate::{Quota, Unit, Wait};

use super::{Line, Lines, Standing, whole_seconds};

pub(super) fn write(lines: &mut Lines, standings: &[Standing<'_>], policy: Option<&HeaderValue>) {
    let policy = policy
        .cloned()
        .or_else(|| policy_line(standings.iter().map(|standing| (standing.name, *standing.quota))));
    if let Some(policy) = policy {
        lines.push(RATE_LIMIT_POLICY, policy);
    }
    let mut line = Line::new();
    for standing in standings {
        line.next_member().text("\"").text(standing.name).text("\";r=").integer(standing.remaining());
        if let Some(seconds) = effective_window(standing) {
            line.text(";t=").integer(seconds);
        }
    }
    lines.push(RATE_LIMIT, line.finish());
}

/// The `RateLimit-Policy` line of some limits; `None` if there are none.
pub(crate) fn policy_line<'a>(limits: impl IntoIterator<Item = (&'a str, Quota)>) -> Option<HeaderValue> {
    let mut line = Line::new();
    let mut any = false;
    for (name, quota) in limits {
        any = true;
        // A window is told in whole seconds; one that is not has its amount scaled to the next that is.
        let seconds = whole_seconds(quota.window());
        let amount = match quota.window().subsec_nanos() {
            0 => quota.amount(),
            _ => per_window(quota.amount(), u128::from(seconds) * NANOSECONDS, quota.window().as_nanos()),
        };
        line.next_member().text("\"").text(name).text("\";q=").integer(amount);
        line.text(match quota.unit() {
            Unit::Bytes => ";qu=\"content-bytes\"",
            Unit::Concurrent => ";qu=\"concurrent-requests\"",
            Unit::Requests
            | Unit::Items
            | Unit::Tokens
            | Unit::InputTokens
            | Unit::OutputTokens
            | Unit::Usd => "",
        });
        if seconds > 0 {
            line.text(";w=").integer(seconds);
        }
        // The draft registers no units for these, so they are told in a parameter of our own.
        line.text(match quota.unit() {
            Unit::Items => ";sluicegate-unit=\"items\"",
            Unit::Tokens => ";sluicegate-unit=\"tokens\"",
            Unit::InputTokens => ";sluicegate-unit=\"input-tokens\"",
            Unit::OutputTokens => ";sluicegate-unit=\"output-tokens\"",
            Unit::Usd => ";sluicegate-unit=\"nano-usd\"",
            Unit::Requests | Unit::Bytes | Unit::Concurrent => "",
        });
        if quota.burst_size() != quota.amount() {
            line.text(";sluicegate-burst=").integer(quota.burst_size());
        }
    }
    any.then(|| line.finish())
}

pub(super) fn is_list(name: &HeaderName) -> bool {
    *name == RATE_LIMIT || *name == RATE_LIMIT_POLICY
}

/// The seconds in which a client may spend no more than what remains; `None` where no time can be told.
///
/// Spread evenly over them, what remains is spent no faster than the quota allows. Where nothing remains they last
/// until something does, and where the request was denied until it would fit.
fn effective_window(standing: &Standing<'_>) -> Option<u64> {
    let Standing { quota, balance, .. } = standing;
    match balance.wait {
        Wait::Forever => None,
        Wait::Release => Some(1),
        Wait::For(wait) => Some(whole_seconds(wait).max(1)),
        Wait::None if standing.is_concurrent() => None,
        Wait::None if balance.remaining == 0 => Some(whole_seconds(balance.next_after)),
        Wait::None => {
            let window = quota.window().as_nanos();
            let amount = u128::from(quota.amount().max(1));
            let spread = u128::from(balance.remaining).saturating_mul(window).div_ceil(amount);
            let seconds = spread.max(balance.next_after.as_nanos()).div_ceil(NANOSECONDS);
            Some(u64::try_from(seconds).unwrap_or(u64::MAX))
        }
    }
}

fn per_window(amount: u64, window: u128, of: u128) -> u64 {
    u64::try_from(u128::from(amount).saturating_mul(window) / of.max(1)).unwrap_or(u64::MAX)
}

pub(super) const FIELDS: [HeaderName; 2] = [RATE_LIMIT, RATE_LIMIT_POLICY];
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const NANOSECONDS: u128 = 1_000_000_000;
