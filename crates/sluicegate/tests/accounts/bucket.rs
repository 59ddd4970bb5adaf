//! The envelope of the token bucket, in exact fractions.

use num_rational::BigRational;
use proptest::prelude::*;
use sluicegate::{
    Algorithm, Cost, Quota, Timestamp,
    accounts::{Account, TokenBucket},
};

use crate::traffic::{Ledger, arrivals, cases, quotas, window};

fn whole(number: u128) -> BigRational {
    BigRational::from_integer(number.into())
}

/// The contents of a full bucket, in ticks: its burst, each unit rounded up, but at most a thousandth more.
fn tolerance(quota: &Quota) -> u128 {
    let (burst, amount) = (u128::from(quota.burst_size()), u128::from(quota.amount()));
    let exact = (burst * window(quota)).div_ceil(amount);
    (burst * window(quota).div_ceil(amount)).min(exact + exact / 1_000)
}

proptest! {
    #![proptest_config(cases(16))]

    /// I1: in any span, no more than a full bucket and what the span refills.
    #[test]
    fn no_span_admits_more_than_a_burst_and_its_refill(
        quota in quotas(Algorithm::TokenBucket), traffic in arrivals(),
    ) {
        let mut ledger = Ledger::<TokenBucket>::new();
        for arrival in traffic {
            ledger.arrive(arrival, &quota);
        }
        for (span, units) in ledger.spans() {
            // Σc ≤ (τ + Δ) · L / P, without dividing.
            let most = (tolerance(&quota) + u128::from(span)) * u128::from(quota.amount());
            prop_assert!(units * window(&quota) <= most, "{units} units in {span} ticks");
        }
    }

    /// I1 again, from a caller that takes all it can for ten windows: that is where a truncated rate adds up.
    #[test]
    fn a_caller_that_takes_all_it_can_never_gets_more_than_the_rate(
        quota in quotas(Algorithm::TokenBucket), thousandths in 1..400_u64,
    ) {
        let mut ledger = Ledger::<TokenBucket>::new();
        let step = u64::try_from(window(&quota)).expect("a short window") / 1_000 * thousandths + 1;
        for _ in 0..100 {
            let left = ledger.account.judge(&quota, Cost::ZERO, ledger.at()).remaining;
            for cost in [left, quota.burst_size().min(left + 1)].map(Cost::new) {
                if ledger.account.judge(&quota, cost, ledger.at()).fits() {
                    ledger.account.charge(&quota, cost, ledger.at());
                    ledger.charged.push((ledger.now, cost.units()));
                }
            }
            ledger.now += step;
        }
        for (span, units) in ledger.spans() {
            let most = (tolerance(&quota) + u128::from(span)) * u128::from(quota.amount());
            prop_assert!(units * window(&quota) <= most, "{units} units in {span} ticks");
        }
        // And not much less, either: at most a unit for each request, and what rounding takes.
        let asked = u128::from(ledger.now - step - ledger.charged[0].0);
        let units: u128 = ledger.charged.iter().map(|(_, units)| u128::from(*units)).sum();
        let fill = u128::from(quota.burst_size()) * window(&quota) / u128::from(quota.amount());
        let earned = asked.min(fill + 99 * u128::from(step).min(fill)) * u128::from(quota.amount()) / window(&quota);
        prop_assert!(units + units / 500 + 101 >= earned, "{units} of {earned}");
    }

    /// I3: an idle bucket admits its burst in any pieces at one instant, and then not one unit more.
    #[test]
    fn an_idle_bucket_admits_exactly_its_burst(
        quota in quotas(Algorithm::TokenBucket).prop_filter("units of many ticks", |quota| {
            window(quota) / u128::from(quota.amount()) > 4_096
        }),
        pieces in prop::collection::vec(1..50_u64, 0..50),
    ) {
        let mut bucket = TokenBucket::default();
        let (now, mut left) = (Timestamp::from_ticks(77), quota.burst_size());
        for piece in pieces.into_iter().chain([u64::MAX]) {
            let piece = piece.min(left);
            prop_assert!(bucket.judge(&quota, Cost::new(piece), now).fits(), "{piece} of {left}");
            bucket.charge(&quota, Cost::new(piece), now);
            left -= piece;
        }
        // Rounding up every unit leaves less than one spare, but in a burst of very many.
        let spare = tolerance(&quota) * u128::from(quota.amount()) - u128::from(quota.burst_size()) * window(&quota);
        prop_assume!(spare < window(&quota));
        prop_assert!(!bucket.judge(&quota, Cost::ONE, now).fits());
    }

    /// I9: charges less refunds stay within what the bucket holds, what it is owed, and what time refills.
    #[test]
    fn what_is_charged_and_not_refunded_stays_within_burst_debt_and_refill(
        quota in quotas(Algorithm::TokenBucket), traffic in arrivals(), settled in prop::collection::vec(0..2_000_u64, 80),
    ) {
        let mut ledger = Ledger::<TokenBucket>::new();
        let mut net: Vec<(u64, i128)> = Vec::new();
        let level = |ledger: &Ledger<TokenBucket>| i128::from(ledger.account.idle_at().ticks()) - i128::from(ledger.now);
        for (arrival, thousandths) in traffic.into_iter().zip(settled) {
            if !ledger.arrive(arrival, &quota) {
                continue;
            }
            prop_assert!(level(&ledger) <= i128::try_from(tolerance(&quota)).expect("small"));
            let (taken_at, estimate) = *ledger.charged.last().expect("it was admitted");
            net.push((ledger.now, estimate.into()));
            ledger.now += arrival.ticks(&quota) / 2;
            let actual = estimate.saturating_mul(thousandths) / 1_000;
            let taken_at = Timestamp::from_ticks(taken_at);
            ledger.account.settle(&quota, Cost::new(estimate), Cost::new(actual), taken_at, ledger.at());
            net.push((ledger.now, i128::from(actual) - i128::from(estimate)));
            // Every span that begins with a charge and ends here.
            let mut sum = 0;
            for (begin, units) in net.iter().rev() {
                sum += units;
                let ticks = level(&ledger).max(0) + i128::from(ledger.now - begin) + i128::try_from(net.len()).expect("few");
                let window = i128::try_from(window(&quota)).expect("small");
                if *units > 0 {
                    prop_assert!(sum * window <= ticks * i128::from(quota.amount()), "{sum} units in {ticks} ticks");
                }
            }
        }
    }

    /// A refund never gives more than a full bucket.
    #[test]
    fn a_refund_never_fills_beyond_full(
        quota in quotas(Algorithm::TokenBucket), estimate in 1..1_000_u64, later in 0..1_u64 << 36,
    ) {
        let (taken_at, now) = (Timestamp::from_ticks(5), Timestamp::from_ticks(5 + later));
        let mut bucket = TokenBucket::default();
        bucket.charge(&quota, Cost::new(estimate), taken_at);
        bucket.settle(&quota, Cost::new(estimate), Cost::ZERO, taken_at, now);
        for cost in [0, 1, quota.burst_size()].map(Cost::new) {
            prop_assert_eq!(bucket.judge(&quota, cost, now), TokenBucket::default().judge(&quota, cost, now));
        }
    }

}

proptest! {
    #![proptest_config(cases(2))]

    /// W1: a quota that is scaled while it is charged hands out no more than a full bucket at the greatest scale, and
    /// what each scale refills while it lasts.
    #[test]
    fn scaling_mints_nothing(
        quota in quotas(Algorithm::TokenBucket), traffic in arrivals(),
        scales in prop::collection::vec(prop_oneof![2 => Just(1_000_000), 1 => Just(200_000), 1 => 1..3_000_000_u64], 80),
    ) {
        let mut ledger = Ledger::<TokenBucket>::new();
        // What was admitted, in the ticks that it was worth when it was; and the greatest tolerance so far.
        let mut admitted: Vec<(u64, BigRational)> = Vec::new();
        let mut greatest = 0;
        for (arrival, scale) in traffic.into_iter().zip(scales) {
            let scaled = quota.scaled(scale);
            greatest = tolerance(&scaled).max(greatest);
            if ledger.arrive(arrival, &scaled) {
                let (now, units) = *ledger.charged.last().expect("it was admitted");
                admitted.push((now, whole(units.into()) * whole(window(&scaled)) / whole(scaled.amount().into())));
                let mut sum = whole(0);
                for (begin, ticks) in admitted.iter().rev() {
                    sum += ticks;
                    prop_assert!(sum <= whole(greatest + u128::from(now - begin)));
                }
            }
        }
    }
}
