//! `RateLimit` and `RateLimit-Policy`, as draft-ietf-httpapi-ratelimit-headers-11 writes them.

use http::{HeaderName, HeaderValue};
use sluicegate::{Quota, Unit, Wait};

use super::{LimitHeaders, LimitState, ValueWriter, whole_seconds};

pub(super) fn write(headers: &mut LimitHeaders, states: &[LimitState<'_>], policy: Option<&HeaderValue>) {
    let policy =
        policy.cloned().or_else(|| policy_line(states.iter().map(|state| (state.name, *state.quota))));
    if let Some(policy) = policy {
        headers.push(RATE_LIMIT_POLICY, policy);
    }
    let mut value = ValueWriter::new();
    for state in states {
        value.next_member().text("\"").text(state.name).text("\";r=").integer(state.remaining());
        if let Some(seconds) = effective_window(state) {
            value.text(";t=").integer(seconds);
        }
    }
    headers.push(RATE_LIMIT, value.finish());
}

/// The `RateLimit-Policy` line of some limits; `None` if there are none.
pub(crate) fn policy_line<'a>(limits: impl IntoIterator<Item = (&'a str, Quota)>) -> Option<HeaderValue> {
    let mut value = ValueWriter::new();
    let mut any = false;
    for (name, quota) in limits {
        any = true;
        // A window is told in whole seconds; one that is not has its amount scaled to the next that is.
        let seconds = whole_seconds(quota.window());
        let amount = match quota.window().subsec_nanos() {
            0 => quota.amount(),
            _ => per_window(quota.amount(), u128::from(seconds) * NANOSECONDS, quota.window().as_nanos()),
        };
        value.next_member().text("\"").text(name).text("\";q=").integer(amount);
        value.text(match quota.unit() {
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
            value.text(";w=").integer(seconds);
        }
        // The draft registers no units for these, so they are told in a parameter of our own.
        value.text(match quota.unit() {
            Unit::Items => ";sluicegate-unit=\"items\"",
            Unit::Tokens => ";sluicegate-unit=\"tokens\"",
            Unit::InputTokens => ";sluicegate-unit=\"input-tokens\"",
            Unit::OutputTokens => ";sluicegate-unit=\"output-tokens\"",
            Unit::Usd => ";sluicegate-unit=\"nano-usd\"",
            Unit::Requests | Unit::Bytes | Unit::Concurrent => "",
        });
        if quota.burst_size() != quota.amount() {
            value.text(";sluicegate-burst=").integer(quota.burst_size());
        }
    }
    any.then(|| value.finish())
}

pub(super) fn is_list(name: &HeaderName) -> bool {
    *name == RATE_LIMIT || *name == RATE_LIMIT_POLICY
}

/// The seconds in which a client may spend no more than what remains; `None` where no time can be told.
///
/// Spread evenly over them, what remains is spent no faster than the quota allows. Where nothing remains they last
/// until something does, and where the request was denied until it would fit.
fn effective_window(state: &LimitState<'_>) -> Option<u64> {
    let LimitState { quota, balance, .. } = state;
    match balance.wait {
        Wait::Forever => None,
        Wait::Release => Some(1),
        Wait::For(wait) => Some(whole_seconds(wait).max(1)),
        Wait::None if state.is_concurrent() => None,
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
