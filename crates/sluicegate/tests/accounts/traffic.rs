//! Actions of callers on one account.

use std::time::Duration;

use proptest::prelude::*;
use sluicegate::{Algorithm, Cost, Quota, Timestamp, accounts::Account};

/// A request, or a settlement of an earlier one, relative to the quota that it is made under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Thousandths of a window since the one before.
    gap: u64,
    /// Ticks more.
    jitter: u64,
    /// Thousandths of the burst, or one unit.
    share: Option<u64>,
}

impl Arrival {
    pub(crate) fn ticks(self, quota: &Quota) -> u64 {
        let window = u64::try_from(quota.window().as_nanos() * 16).expect("18 years of ticks fit");
        window / 1_000 * self.gap + self.jitter
    }

    pub(crate) fn cost(self, quota: &Quota) -> Cost {
        let share = |thousandths| u128::from(quota.burst_size()) * u128::from(thousandths) / 1_000;
        Cost::new(
            self.share.map_or(1, |share_of| u64::try_from(share(share_of)).expect("about a burst").max(1)),
        )
    }
}

/// Greedy, bursty and idle callers.
pub(crate) fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let gap = prop_oneof![4 => Just(0), 4 => 0..30_u64, 2 => 0..600_u64, 1 => 900..3_500_u64];
    let jitter = prop_oneof![Just(0), 0..40_u64];
    let share =
        prop_oneof![3 => Just(None), 2 => (0..200_u64).prop_map(Some), 1 => (0..1_001_u64).prop_map(Some)];
    let arrival = (gap, jitter, share).prop_map(|(gap, jitter, share)| Arrival { gap, jitter, share });
    prop::collection::vec(arrival, 1..80)
}

/// Small quotas and fast ones, over round windows and odd ones.
pub(crate) fn quotas(algorithm: Algorithm) -> impl Strategy<Value = Quota> {
    let amount = prop_oneof![4 => 1..30_u64, 2 => 1..=Quota::MAX_LOG, 1 => 1_000..2_000_000_000_u64];
    let nanoseconds = prop_oneof![Just(60_000_000_000), Just(1_000_000_000), 1_000..10_000_000_000_u64];
    let burst = prop::option::of(1..3_000_u64);
    (amount, nanoseconds, burst).prop_map(move |(amount, nanoseconds, burst)| {
        let amount = if algorithm == Algorithm::SlidingLog { amount.min(Quota::MAX_LOG) } else { amount };
        let quota = Quota::new(amount, Duration::from_nanos(nanoseconds)).expect("a good window");
        let burst = burst.filter(|_| algorithm == Algorithm::TokenBucket).unwrap_or(amount);
        quota.with_burst(burst).and_then(|quota| quota.with_algorithm(algorithm)).expect("a good quota")
    })
}

/// An account, the clock that it is told, and everything that it was charged.
#[derive(Clone, Debug)]
pub(crate) struct Ledger<A> {
    pub(crate) account: A,
    pub(crate) now: u64,
    /// The time and the amount of each charge.
    pub(crate) charged: Vec<(u64, u64)>,
}

impl<A: Account> Ledger<A> {
    /// An account that begins a while after its clock did.
    pub(crate) fn new() -> Self {
        Self { account: A::default(), now: 1_000_000_007, charged: Vec::new() }
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_ticks(self.now)
    }

    /// The charge is taken if it fits.
    pub(crate) fn arrive(&mut self, arrival: Arrival, quota: &Quota) -> bool {
        self.now += arrival.ticks(quota);
        let cost = arrival.cost(quota);
        let fits = self.account.judge(quota, cost, self.at()).fits();
        if fits {
            self.account.charge(quota, cost, self.at());
            self.charged.push((self.now, cost.units()));
        }
        fits
    }

    /// The charges in any span that begins and ends with a charge: its length in ticks, and its sum.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (u64, u128)> {
        self.charged.iter().enumerate().flat_map(|(first, (begin, _))| {
            self.charged[first..].iter().scan(0, move |sum, (end, units)| {
                *sum += u128::from(*units);
                Some((end - begin, *sum))
            })
        })
    }
}

/// More cases than proptest's default, in the same proportion.
pub(crate) fn cases(times: u32) -> ProptestConfig {
    ProptestConfig::with_cases(ProptestConfig::default().cases.saturating_mul(times))
}

/// The window in ticks.
pub(crate) fn window(quota: &Quota) -> u128 {
    quota.window().as_nanos() * 16
}
