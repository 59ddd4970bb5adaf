//! The use of one account, as the requests of one process see it.

use std::time::Duration;

use sluicegate::{Algorithm, Balance, Charge, Cost, Quota, Timestamp, Wait};
use sluicegate_policy::LimitId;

use super::AccountUse;

/// The use of one account, as the requests of one process see it.
#[derive(Debug)]
pub(super) struct Account {
    limit: LimitId,
    key: String,
    /// The quota of the last request: tiers and warm-up change it.
    quota: Quota,
    /// The units that the account asked for whose place this one took.
    inherited: u64,
    spent: u64,
    denials: u64,
    denied_units: u64,
    windows: Windows,
    /// After the last request.
    balance: Balance,
    last: Timestamp,
}

/// Denied units in this window of time and the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Windows {
    number: u64,
    before: u64,
    now: u64,
}

impl Account {
    /// An account that is listed from now on, in the place of one that asked for `inherited` units.
    pub(super) fn new(limit: LimitId, key: String, charge: &Charge, inherited: u64, last: Timestamp) -> Self {
        Self {
            limit,
            key,
            quota: charge.quota,
            inherited,
            spent: 0,
            denials: 0,
            denied_units: 0,
            windows: Windows::default(),
            balance: EMPTY,
            last,
        }
    }

    /// The most units that it may have asked for.
    pub(super) fn asked(&self) -> u64 {
        self.inherited.saturating_add(self.spent).saturating_add(self.denied_units)
    }

    pub(super) fn spend(&mut self, charge: &Charge, balance: &Balance, now: Timestamp) {
        self.spent = self.spent.saturating_add(charge.cost.units());
        self.seen(charge, balance, now);
    }

    pub(super) fn deny(&mut self, charge: &Charge, balance: &Balance, now: Timestamp) {
        self.seen(charge, balance, now);
        let cost = charge.cost.units();
        self.denials += 1;
        self.denied_units = self.denied_units.saturating_add(cost);
        self.windows = self.windows.at(now, self.window());
        self.windows.now = match self.quota.algorithm() {
            // Those who wait for a slot ask for the same one again and again.
            Algorithm::Concurrent => self.windows.now.max(cost),
            _ => self.windows.now.saturating_add(cost),
        };
    }

    pub(super) fn settle(&mut self, reserved: Cost, charged: Cost) {
        self.spent = self.spent.saturating_add(charged.units()).saturating_sub(reserved.units());
    }

    fn seen(&mut self, charge: &Charge, balance: &Balance, now: Timestamp) {
        self.quota = charge.quota;
        self.balance = *balance;
        self.last = now;
    }

    pub(super) fn told(&self, now: Timestamp) -> AccountUse {
        AccountUse {
            limit: self.limit,
            key: self.key.clone(),
            unit: self.quota.unit(),
            spent: self.spent,
            denials: self.denials,
            used: self.used(now),
            denied: self.denied(now),
            idle: now.since(self.last),
        }
    }

    /// The share of the quota that is spent, as far as the last balance tells.
    fn used(&self, now: Timestamp) -> f64 {
        let (held, idle) = (self.quota.burst_size(), now.since(self.last));
        let spent = ratio(held.saturating_sub(self.balance.remaining), held);
        let reset_after = match self.quota.algorithm() {
            Algorithm::Concurrent => SLOTS_WINDOW,
            _ => self.balance.reset_after,
        };
        if idle >= reset_after {
            0.0
        } else if self.quota.algorithm() == Algorithm::TokenBucket {
            spent * (1.0 - idle.as_secs_f64() / reset_after.as_secs_f64())
        } else {
            spent
        }
    }

    fn denied(&self, now: Timestamp) -> f64 {
        let Windows { before, now: current, .. } = self.windows.at(now, self.window());
        let amount = self.quota.amount();
        match self.quota.algorithm() {
            Algorithm::Concurrent => ratio(before.max(current), amount),
            _ => ratio(before, amount) * fade(now, self.window()) + ratio(current, amount),
        }
    }

    fn window(&self) -> Duration {
        match self.quota.algorithm() {
            Algorithm::Concurrent => SLOTS_WINDOW,
            _ => self.quota.window(),
        }
    }
}

impl Windows {
    /// The windows at a later time.
    fn at(self, now: Timestamp, window: Duration) -> Self {
        let number = nanos(now) / whole_nanos(window).max(1);
        match number.saturating_sub(self.number) {
            0 => self,
            1 => Self { number, before: self.now, now: 0 },
            _ => Self { number, before: 0, now: 0 },
        }
    }
}

/// The part of the window before this one that is still within a window's time of now.
fn fade(now: Timestamp, window: Duration) -> f64 {
    let passed = nanos(now) % whole_nanos(window).max(1);
    1.0 - Duration::from_nanos(passed).div_duration_f64(window)
}

fn nanos(now: Timestamp) -> u64 {
    whole_nanos(now.since(Timestamp::EPOCH))
}

/// A clock's time and every window of a quota fit into 64 bits.
fn whole_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The share of a whole, which is none of nothing.
#[expect(clippy::cast_precision_loss, reason = "a share is shown in whole per cent")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The balance before any request.
const EMPTY: Balance = Balance {
    remaining: u64::MAX,
    reset_after: Duration::ZERO,
    next_after: Duration::ZERO,
    wait: Wait::None,
};

/// The time for which the use of slots is told: they say nothing of when they are given back.
const SLOTS_WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use sluicegate_policy::{Policy, Source};

    use super::*;

    fn account(quota: &str) -> (Account, Charge) {
        let charge = Charge::new("k", quota.parse().unwrap());
        let text = "[defaults]\nlimits = ['1/s']";
        let policy = Policy::parse(&Source::new("test.toml", text.as_bytes()).unwrap()).unwrap();
        let limit = policy.routes.get(policy.routes.unmatched()).limits()[0];
        (Account::new(limit, String::new(), &charge, 0, Timestamp::EPOCH), charge)
    }

    fn balance(remaining: u64, reset_after: u64) -> Balance {
        Balance { remaining, reset_after: Duration::from_secs(reset_after), ..EMPTY }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(seconds)
    }

    fn shares(account: &Account, seconds: u64) -> (f64, f64) {
        let told = account.told(at(seconds));
        (told.used, told.denied)
    }

    #[test]
    fn denied_requests_come_on_top_of_a_quota_that_is_spent_and_fade_with_their_window() {
        let (mut account, charge) = account("10/minute");
        account.spend(&charge, &balance(0, 60), at(60));
        (0..15).for_each(|_| account.deny(&charge, &balance(0, 60), at(60)));
        assert_eq!(shares(&account, 60), (1.0, 1.5));
        assert_eq!(shares(&account, 90), (0.5, 1.5), "the bucket refills, and the window is the same");
        assert_eq!(shares(&account, 150), (0.0, 0.75));
        assert_eq!(shares(&account, 180), (0.0, 0.0));
    }

    #[test]
    fn a_window_is_spent_until_it_ends() {
        let (mut account, charge) = account("10/minute");
        let charge = Charge { quota: charge.quota.with_algorithm(Algorithm::FixedWindow).unwrap(), ..charge };
        account.spend(&charge, &balance(4, 30), at(0));
        assert_eq!(shares(&account, 29), (0.6, 0.0));
        assert_eq!(shares(&account, 30), (0.0, 0.0));
    }

    #[test]
    fn those_who_wait_for_a_slot_are_one_request_however_often_they_ask() {
        let (mut account, charge) = account("4 concurrent");
        (0..9).for_each(|_| account.deny(&charge, &balance(0, 0), at(10)));
        assert_eq!(shares(&account, 20), (1.0, 0.25));
        assert_eq!(shares(&account, 130), (0.0, 0.0));
    }

    #[test]
    fn a_settlement_replaces_the_tokens_that_were_reserved() {
        let (mut account, charge) = account("1000 tokens/minute");
        let charge = charge.cost(Cost::new(300));
        account.spend(&charge, &balance(700, 18), at(0));
        account.settle(Cost::new(300), Cost::new(120));
        assert_eq!(account.told(at(0)).spent, 120);
        account.settle(Cost::new(300), Cost::new(500));
        assert_eq!(account.told(at(0)).spent, 320);
    }
}
