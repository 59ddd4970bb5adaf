//! The worst case of the windows' admissions.

use proptest::prelude::*;
use sluicegate::{
    Algorithm, Cost, Quota, Timestamp,
    accounts::{Account, FixedWindow, SlidingLog, SlidingWindow, Slots, TokenBucket},
};

use crate::traffic::{Arrival, Ledger, arrivals, cases, quotas, window};

fn after<A: Account>(traffic: &[Arrival], quota: &Quota) -> Ledger<A> {
    let mut ledger = Ledger::<A>::new();
    for arrival in traffic {
        ledger.arrive(*arrival, quota);
    }
    ledger
}

/// The most that any span shorter than a window was charged.
fn most_in_a_window<A: Account>(ledger: &Ledger<A>, quota: &Quota) -> u128 {
    ledger
        .spans()
        .filter(|(span, _)| u128::from(*span) < window(quota))
        .map(|(_, units)| units)
        .max()
        .unwrap_or(0)
}

/// Every debt is paid off before anything else is admitted: all that was charged up to an admitted request, debts
/// too, is within two amounts and what time refills.
fn debts_are_paid<A: Account>(
    traffic: &[Arrival],
    quota: &Quota,
    debts: &[u64],
) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::<A>::new();
    let held = u128::from(quota.amount().max(quota.burst_size())) * 2;
    for (arrival, debt) in traffic.iter().zip(debts) {
        if !ledger.arrive(*arrival, quota) {
            continue;
        }
        let mut sum = 0;
        for (begin, units) in ledger.charged.iter().rev() {
            sum += u128::from(*units);
            let most = (held + held / 1_000 + 1) * window(quota)
                + u128::from(ledger.now - begin) * u128::from(quota.amount());
            prop_assert!(sum * window(quota) <= most, "{sum} units in {} ticks", ledger.now - begin);
        }
        let estimate = Cost::new(ledger.charged.last().expect("it was admitted").1);
        let actual = Cost::new(estimate.units() + debt);
        ledger.account.settle(quota, estimate, actual, ledger.at(), ledger.at());
        ledger.charged.push((ledger.now, *debt));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn a_log_admits_its_amount_in_any_window(quota in quotas(Algorithm::SlidingLog), traffic in arrivals()) {
        let ledger = after::<SlidingLog>(&traffic, &quota);
        prop_assert!(most_in_a_window(&ledger, &quota) <= u128::from(quota.amount()));
    }

    #[test]
    fn a_sliding_window_admits_less_than_twice_its_amount_in_any_window(
        quota in quotas(Algorithm::SlidingWindow), traffic in arrivals(),
    ) {
        let ledger = after::<SlidingWindow>(&traffic, &quota);
        prop_assert!(most_in_a_window(&ledger, &quota) < 2 * u128::from(quota.amount()));
    }

    /// Its windows are the ones that begin with the first charge after the last one's end.
    #[test]
    fn a_fixed_window_admits_its_amount_in_each_of_its_windows(
        quota in quotas(Algorithm::FixedWindow), traffic in arrivals(),
    ) {
        let ledger = after::<FixedWindow>(&traffic, &quota);
        let (mut ends, mut count) = (0, 0);
        for (at, units) in &ledger.charged {
            if u128::from(*at) >= ends {
                (ends, count) = (u128::from(*at) + window(&quota), 0);
            }
            count += units;
            prop_assert!(count <= quota.amount());
        }
    }

    #[test]
    fn a_token_bucket_pays_off_its_debts(
        quota in quotas(Algorithm::TokenBucket), traffic in arrivals(), debts in debts(),
    ) {
        debts_are_paid::<TokenBucket>(&traffic, &quota, &debts)?;
    }

    #[test]
    fn a_fixed_window_pays_off_its_debts(
        quota in quotas(Algorithm::FixedWindow), traffic in arrivals(), debts in debts(),
    ) {
        debts_are_paid::<FixedWindow>(&traffic, &quota, &debts)?;
    }

    #[test]
    fn a_sliding_window_pays_off_its_debts(
        quota in quotas(Algorithm::SlidingWindow), traffic in arrivals(), debts in debts(),
    ) {
        debts_are_paid::<SlidingWindow>(&traffic, &quota, &debts)?;
    }

    /// J1 and J2 of one account: no more slots are held than there are, and giving back more than was taken frees
    /// no more than there are.
    #[test]
    fn slots_in_use_never_exceed_the_amount(
        amount in 0..20_u64, steps in prop::collection::vec((any::<bool>(), 0..8_u64), 0..60),
    ) {
        let quota = Quota::concurrent(amount);
        let (mut slots, mut held) = (Slots::default(), 0_u64);
        let now = sluicegate::Timestamp::EPOCH;
        for (taking, count) in steps {
            if !taking {
                slots.release(Cost::new(count));
                held = held.saturating_sub(count);
            } else if slots.judge(&quota, Cost::new(count), now).fits() {
                slots.charge(&quota, Cost::new(count), now);
                held += count;
            }
            prop_assert!(held <= amount);
            prop_assert_eq!(slots.judge(&quota, Cost::ZERO, now).remaining, amount - held);
            prop_assert_eq!(slots.is_free(), held == 0);
        }
    }
}

/// Three units were spent at once in the last window, and two thirds of a window are not a whole number of
/// ticks. So the count has faded enough for the second unit one tick later than rounding down would give.
#[test]
fn a_sliding_window_rounds_its_fading_count_against_admission() {
    let quota: Quota = "3/second".parse().expect("a quota");
    let quota = quota.with_algorithm(Algorithm::SlidingWindow).expect("sliding windows take any quota");
    let ticks = u64::try_from(window(&quota)).expect("a second");
    let mut account = SlidingWindow::default();
    account.charge(&quota, Cost::new(3), Timestamp::EPOCH);
    let at = |elapsed| Timestamp::from_ticks(ticks + elapsed);
    let two_thirds = ticks * 2 / 3;

    assert!(!account.judge(&quota, Cost::ONE, at(ticks - two_thirds - 1)).fits());
    assert!(account.judge(&quota, Cost::ONE, at(ticks - two_thirds)).fits());
}

/// None, mostly; now and then so much that several windows pay for it.
fn debts() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![3 => Just(0), 1 => 1..10_u64, 1 => 1..200_u64], 80)
}
