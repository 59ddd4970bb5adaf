//! Properties of every account that time refills.

use proptest::{prelude::*, sample::Index};
use sluicegate::{
    Algorithm, Balance, Cost, Quota, Timestamp,
    accounts::{Account, AnyAccount, FixedWindow, SlidingLog, SlidingWindow, TokenBucket},
};

use crate::traffic::{Arrival, Ledger, arrivals, cases, quotas};

/// An account after some traffic, with a debt now and then.
fn busy<A: Account>(quota: &Quota, traffic: &[Arrival], debt: Option<u64>) -> Ledger<A> {
    let mut ledger = Ledger::<A>::new();
    for arrival in traffic {
        ledger.arrive(*arrival, quota);
    }
    if let Some(debt) = debt {
        ledger.account.settle(quota, Cost::ONE, Cost::new(debt + 1), ledger.at(), ledger.at());
    }
    ledger
}

fn fits(account: &impl Account, quota: &Quota, cost: Cost, ticks: u64) -> bool {
    account.judge(quota, cost, Timestamp::from_ticks(ticks)).fits()
}

/// I2: after the wait it fits, and a tick earlier it does not.
fn a_wait_is_exact_to_the_tick<A: Account>(
    quota: &Quota,
    traffic: &[Arrival],
    debt: Option<u64>,
    cost: Cost,
) {
    let Ledger { account, now, .. } = busy::<A>(quota, traffic, debt);
    let wait = account.judge(quota, cost, Timestamp::from_ticks(now)).wait;
    assert!(fits(&account, quota, cost, now + wait), "not after {wait} ticks");
    assert!(wait == 0 || !fits(&account, quota, cost, now + wait - 1), "before {wait} ticks");
}

/// I4: nothing but a refund gives anything back, and what is charged later is full later.
fn charges_only_ever_take<A: Account + Clone>(quota: &Quota, traffic: &[Arrival]) {
    let mut ledger = Ledger::<A>::new();
    for arrival in traffic {
        let (before, full) = (ledger.account.clone(), ledger.account.idle_at());
        let taken = ledger.arrive(*arrival, quota);
        assert!(!taken || ledger.account.idle_at() >= full, "full earlier");
        assert!(!taken || ledger.account.idle_at() > ledger.at(), "full at once");
        let left = |account: &A| account.judge(quota, Cost::ZERO, ledger.at()).remaining;
        assert!(left(&ledger.account) <= left(&before), "more than before");
    }
}

/// I5: from the moment it names, an account answers as none.
fn idle_is_absent<A: Account + Clone>(
    quota: &Quota,
    traffic: &[Arrival],
    debt: Option<u64>,
    later: u64,
    other: &Quota,
) {
    let Ledger { account, .. } = busy::<A>(quota, traffic, debt);
    let now = account.idle_at().max(Timestamp::from_ticks(1)).ticks() + later;
    let now = Timestamp::from_ticks(now);
    for quota in [quota, other] {
        for cost in [0, 1, quota.burst_size() / 2, quota.burst_size(), quota.burst_size() + 1].map(Cost::new)
        {
            assert_eq!(account.judge(quota, cost, now), A::default().judge(quota, cost, now));
        }
        let [used, new] = [account.clone(), A::default()].map(|mut account| {
            account.charge(quota, Cost::ONE, now);
            account.judge(quota, Cost::ZERO, now)
        });
        assert_eq!(used, new);
    }
    assert_eq!(account.spent(now), 0);
}

/// I6: a clock that lags admits nothing that a true one would deny.
fn a_late_clock_is_safe<A: Account>(
    quota: &Quota,
    traffic: &[Arrival],
    debt: Option<u64>,
    cost: Cost,
    lag: u64,
) {
    let Ledger { account, now, .. } = busy::<A>(quota, traffic, debt);
    let lagging = fits(&account, quota, cost, now.saturating_sub(lag));
    assert!(!lagging || fits(&account, quota, cost, now));
}

/// I8: what a peek calls left can be taken; and one unit more comes when it says, to the tick.
fn a_peek_is_true<A: Account>(quota: &Quota, traffic: &[Arrival], debt: Option<u64>) {
    let Ledger { account, now, .. } = busy::<A>(quota, traffic, debt);
    let peek = account.judge(quota, Cost::ZERO, Timestamp::from_ticks(now));
    assert!(peek.remaining <= quota.burst_size());
    assert!(fits(&account, quota, Cost::new(peek.remaining), now));
    assert_eq!(peek.next_after, account.judge(quota, Cost::ONE, Timestamp::from_ticks(now)).wait);
    let full = Timestamp::from_ticks(now + peek.reset_after);
    assert_eq!(account.judge(quota, Cost::ZERO, full), A::default().judge(quota, Cost::ZERO, full));
    assert!(peek.reset_after == 0 || account.idle_at() >= full);
}

/// An account that is rebuilt from a balance admits no more than the account itself. Where a balance tells all, it is as good to the
/// nanosecond to which balances are rounded.
fn a_rebuilt_account_is_no_better<A: Account>(
    quota: &Quota,
    traffic: &[Arrival],
    debt: Option<u64>,
    cost: Cost,
) {
    let Ledger { account, now, .. } = busy::<A>(quota, traffic, debt);
    let peek = account.judge(quota, Cost::ZERO, Timestamp::from_ticks(now));
    let then = Timestamp::EPOCH + Quota::MAX_WINDOW;
    let rebuilt = AnyAccount::of_balance(quota, &Balance::from(peek), then).judge(quota, cost, then);
    let real = account.judge(quota, cost, Timestamp::from_ticks(now));
    assert!(rebuilt.wait >= real.wait, "{rebuilt:?} is better than {real:?}");
    assert!(rebuilt.fits() != real.fits() || rebuilt.remaining <= real.remaining);
    let tells_all = match quota.algorithm() {
        Algorithm::TokenBucket => true,
        Algorithm::FixedWindow => debt.is_none(),
        _ => cost == Cost::ONE,
    };
    assert!(!tells_all || rebuilt.wait <= real.wait + 16, "{rebuilt:?} is worse than {real:?}");
}

/// I10: a charge that is given back at once was never made.
fn a_charge_given_back_leaves_no_trace<A: Account + Clone>(
    quota: &Quota,
    traffic: &[Arrival],
    debt: Option<u64>,
    cost: Cost,
    later: u64,
) {
    let Ledger { account, now, .. } = busy::<A>(quota, traffic, debt);
    let (now, later) = (Timestamp::from_ticks(now), Timestamp::from_ticks(now + later));
    let mut refunded = account.clone();
    refunded.charge(quota, cost, now);
    refunded.settle(quota, cost, Cost::ZERO, now, now);
    for cost in [0, 1, quota.burst_size()].map(Cost::new) {
        let [left, right] =
            [&account, &refunded].map(|account| Balance::from(account.judge(quota, cost, later)));
        assert_eq!(left, right);
    }
}

/// Nothing that is asked panics, however large.
fn nothing_panics<A: Account>(quota: &Quota, extremes: [u64; 5]) {
    let [estimate, actual, taken_at, now, later] = extremes;
    let [taken_at, now, later] = [taken_at, now, later].map(Timestamp::from_ticks);
    let mut account = A::default();
    account.charge(quota, Cost::new(estimate), taken_at);
    account.settle(quota, Cost::new(estimate), Cost::new(actual), taken_at, now);
    account.charge(quota, Cost::new(actual), later);
    for time in [taken_at, now, later] {
        for cost in [0, 1, estimate, actual].map(Cost::new) {
            let balance = Balance::from(account.judge(quota, cost, time));
            assert!(balance.remaining <= quota.burst_size());
        }
        account.spent(time);
    }
    account.idle_at();
}

/// The same properties of each algorithm.
macro_rules! properties {
    ($($name:ident: $account:ty, $algorithm:expr;)+) => {
        $(
            mod $name {
                use super::*;

                proptest! {
                    #![proptest_config(cases(8))]

                    #[test]
                    fn a_wait_is_exact_to_the_tick(
                        quota in quotas($algorithm), traffic in arrivals(), debt in debts(), cost in any::<Index>(),
                    ) {
                        super::a_wait_is_exact_to_the_tick::<$account>(&quota, &traffic, debt, some(cost, &quota));
                    }

                    #[test]
                    fn charges_only_ever_take(quota in quotas($algorithm), traffic in arrivals()) {
                        super::charges_only_ever_take::<$account>(&quota, &traffic);
                    }

                    #[test]
                    fn an_idle_account_answers_as_none(
                        quota in quotas($algorithm), traffic in arrivals(), debt in debts(), later in 0..1_u64 << 40,
                        scale in 1..5_000_000_u64,
                    ) {
                        super::idle_is_absent::<$account>(&quota, &traffic, debt, later, &quota.scaled(scale));
                    }

                    #[test]
                    fn a_late_clock_admits_nothing_that_a_true_one_denies(
                        quota in quotas($algorithm), traffic in arrivals(), debt in debts(), cost in any::<Index>(),
                        lag in prop_oneof![0..100_u64, 0..1_u64 << 36],
                    ) {
                        super::a_late_clock_is_safe::<$account>(&quota, &traffic, debt, some(cost, &quota), lag);
                    }

                    #[test]
                    fn a_peek_is_true(quota in quotas($algorithm), traffic in arrivals(), debt in debts()) {
                        super::a_peek_is_true::<$account>(&quota, &traffic, debt);
                    }

                    #[test]
                    fn an_account_that_is_rebuilt_from_its_balance_is_no_better(
                        quota in quotas($algorithm), traffic in arrivals(), debt in debts(),
                        cost in prop_oneof![Just(None), any::<Index>().prop_map(Some)],
                    ) {
                        let cost = cost.map_or(Cost::ONE, |cost| some(cost, &quota));
                        super::a_rebuilt_account_is_no_better::<$account>(&quota, &traffic, debt, cost);
                    }

                    #[test]
                    fn a_charge_given_back_leaves_no_trace(
                        quota in quotas($algorithm), traffic in arrivals(), debt in debts(), cost in any::<Index>(),
                        later in 0..1_u64 << 40,
                    ) {
                        let cost = some(cost, &quota);
                        super::a_charge_given_back_leaves_no_trace::<$account>(&quota, &traffic, debt, cost, later);
                    }

                    #[test]
                    fn nothing_panics(
                        quota in quotas($algorithm), nothing in any::<bool>(), extremes in any::<[u64; 5]>(),
                    ) {
                        let none = Quota::new(0, quota.window()).and_then(|none| none.with_algorithm($algorithm));
                        let quota = if nothing { none.expect("a good quota") } else { quota };
                        super::nothing_panics::<$account>(&quota, extremes);
                    }
                }
            }
        )+
    };
}

properties! {
    token_bucket: TokenBucket, Algorithm::TokenBucket;
    fixed_window: FixedWindow, Algorithm::FixedWindow;
    sliding_window: SlidingWindow, Algorithm::SlidingWindow;
    sliding_log: SlidingLog, Algorithm::SlidingLog;
}

/// Now and then a debt, of a unit or of several windows.
fn debts() -> impl Strategy<Value = Option<u64>> {
    prop::option::weighted(0.3, prop_oneof![1..10_u64, 1..500_u64])
}

/// A cost that the quota can hold.
fn some(cost: Index, quota: &Quota) -> Cost {
    let most = usize::try_from(quota.burst_size()).unwrap_or(usize::MAX);
    Cost::new(u64::try_from(cost.index(most)).unwrap_or(0) + 1)
}
