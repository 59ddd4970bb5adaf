//! `RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-11, as structured fields (RFC 9651).

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName};
use sluicegate::{Algorithm, Unit, Wait};

use super::{Account, Lines, remaining, seconds};

pub(super) fn write(lines: &mut Lines, accounts: &[Account<'_>]) {
    let (mut limits, mut policies) = (String::with_capacity(64), String::with_capacity(64));
    // The client that looks at one member only looks at the first: the denial with the longest wait.
    let worst = (0..accounts.len()).max_by_key(|index| (accounts[*index].balance.wait, usize::MAX - index));
    let worst = worst.filter(|index| !accounts[*index].balance.wait.fits());
    let others = (0..accounts.len()).filter(|index| Some(*index) != worst);
    for account in worst.into_iter().chain(others).map(|index| &accounts[index]) {
        member(&mut limits, account.name);
        limit(&mut limits, account);
    }
    for account in accounts {
        member(&mut policies, account.name);
        policy(&mut policies, account);
    }
    lines.add(RATELIMIT, limits);
    lines.add(RATELIMIT_POLICY, policies);
}

/// Whether a list of ours can be joined to what the upstream sent: one bad member would spoil the whole field.
pub(super) fn joins(name: &HeaderName, headers: &HeaderMap) -> bool {
    if *name != RATELIMIT && *name != RATELIMIT_POLICY {
        return false;
    }
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    sfv::Parser::new(&lines.join(&b", "[..])).parse::<sfv::List>().is_ok()
}

/// Begins a list's next member. Names are `\w+`: one client reads no others.
fn member(list: &mut String, name: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push('"');
    list.extend(name.chars().map(|character| if character == '-' { '_' } else { character }));
    list.push('"');
}

fn limit(list: &mut String, account: &Account<'_>) {
    // Writing to a string cannot fail, here and below.
    let _ = write!(list, ";r={}", remaining(account).min(MOST));
    if let Some(window) = effective_window(account) {
        let _ = write!(list, ";t={}", window.min(MOST));
    }
}

/// The seconds within which the caller may use no more than what remains. Never so short that spending it all within
/// them would be more than the quota allows.
fn effective_window(account: &Account<'_>) -> Option<u64> {
    let Account { quota, balance, .. } = account;
    let whole = |seconds: u128| u64::try_from(seconds).unwrap_or(u64::MAX);
    match (quota.algorithm(), balance.wait) {
        (Algorithm::Concurrent, _) => None,
        (_, Wait::For(wait)) => Some(seconds(wait)),
        (Algorithm::FixedWindow, _) => Some(seconds(balance.reset_after)),
        _ if balance.remaining == 0 => Some(seconds(balance.next_after)),
        _ => {
            let share = u128::from(balance.remaining) * u128::from(quota.window().as_secs().max(1));
            let spread = whole(share.div_ceil(u128::from(quota.amount().max(1))));
            Some(spread.max(seconds(balance.next_after)))
        }
    }
}

fn policy(list: &mut String, account: &Account<'_>) {
    let quota = &account.quota;
    let _ = write!(list, ";q={}", quota.amount().min(MOST));
    if quota.algorithm() != Algorithm::Concurrent {
        let _ = write!(list, ";w={}", seconds(quota.window()).min(MOST));
    }
    // Units that the draft registers have a parameter of its own; for others only a vendor's is allowed.
    match quota.unit() {
        Unit::Requests => {}
        Unit::Concurrent => list.push_str(";qu=\"concurrent-requests\""),
        Unit::Bytes => list.push_str(";qu=\"content-bytes\""),
        unit => {
            let _ = write!(list, ";sluicegate-unit=\"{unit}\"");
        }
    }
    if quota.burst() != quota.amount() {
        let _ = write!(list, ";sluicegate-burst={}", quota.burst().min(MOST));
    }
}

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The largest integer of a structured field.
const MOST: u64 = 999_999_999_999_999;
