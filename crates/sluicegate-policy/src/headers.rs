//! The headers in which clients are told their balances.

mod anthropic;
mod draft06;
mod github;
mod ietf;
mod openai;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use sluicegate::{Balance, Quota, Unit};
use smallvec::SmallVec;

use crate::HeaderFamily;

/// One limit and what the caller has left of it.
#[derive(Clone, Debug)]
pub(crate) struct Account<'a> {
    pub(crate) name: &'a str,
    pub(crate) quota: Quota,
    pub(crate) balance: Balance,
}

/// Header lines for one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(SmallVec<[(HeaderName, HeaderValue); 2]>);

impl Lines {
    /// The lines of these families. No accounts make no lines.
    pub(crate) fn of(families: &[HeaderFamily], accounts: &[Account<'_>]) -> Self {
        let mut lines = Self::default();
        if accounts.is_empty() {
            return lines;
        }
        for family in families {
            match family {
                HeaderFamily::Ietf => ietf::write(&mut lines, accounts),
                HeaderFamily::Draft06 => draft06::write(&mut lines, accounts),
                HeaderFamily::Github => github::write(&mut lines, accounts),
                HeaderFamily::Openai => openai::write(&mut lines, accounts),
                HeaderFamily::Anthropic => anthropic::write(&mut lines, accounts),
            }
        }
        lines
    }

    /// Adds the lines to an answer. What an upstream says of its own limits is never removed or loosened: a list that
    /// both can add to gets another line, and any other header of the upstream's stays as it is.
    pub(crate) fn append_to(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            match headers.contains_key(name) {
                false => {
                    headers.insert(name.clone(), value.clone());
                }
                true if ietf::joins(name, headers) => {
                    headers.append(name.clone(), value.clone());
                }
                true => {}
            }
        }
    }

    fn add(&mut self, name: HeaderName, value: impl Into<String>) {
        // Written from names, numbers and punctuation only, so it is a header's value.
        if let Ok(value) = HeaderValue::try_from(value.into()) {
            self.0.push((name, value));
        }
    }
}

/// Whole seconds, rounded up, at least one: a client that waits them is never too early.
pub(crate) fn seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// The account that a family with room for one tells of: of those in `unit`, one that denied, or that with the
/// least share left.
fn tightest<'a, 'n>(accounts: &'a [Account<'n>], counts: impl Fn(Unit) -> bool) -> Option<&'a Account<'n>> {
    let share = |account: &Account<'_>| {
        let amount = u128::from(account.quota.amount().max(1));
        u128::from(account.balance.remaining) * u128::from(u64::MAX) / amount
    };
    accounts
        .iter()
        .filter(|account| counts(account.quota.unit()))
        .min_by_key(|account| (std::cmp::Reverse(account.balance.wait), share(account)))
}

/// What is left for a client that was denied is nothing, whatever a smaller request could still get.
fn remaining(account: &Account<'_>) -> u64 {
    match account.balance.wait.duration() {
        Some(Duration::ZERO) | None => account.balance.remaining,
        Some(_) => 0,
    }
}
