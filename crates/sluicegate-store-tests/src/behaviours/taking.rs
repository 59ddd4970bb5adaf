//! All or nothing.

use std::slice::from_ref;

use sluicegate::{Algorithm, Charge, Quota, Store, Wait};

use super::{each, hourly, leases};
use crate::{Caller, Subject};

/// Every algorithm lets its amount through at once, and not one more.
pub fn every_algorithm_admits_its_amount_at_once_and_no_more<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 7, S::ALGORITHMS) {
        assert_eq!(caller.exhaust(from_ref(&charge)), 7, "{charge:?}");
    }
}

/// Costs are taken out of the same amount.
pub fn costs_add_up_to_the_amount<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, S::ALGORITHMS) {
        for (cost, left) in [(3, 7), (1, 6), (4, 2)] {
            let taken = caller.admit(&[charge.clone().cost(cost)]);
            assert_eq!(taken.balances[0].remaining, left, "{charge:?}");
        }
        caller.deny(&[charge.clone().cost(3)]);
        caller.admit(&[charge.clone().cost(2)]);
        caller.deny(&[charge]);
    }
}

/// A request without charges may pass.
pub fn a_request_without_charges_is_admitted<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    assert!(Caller::of(&subject).admit(&[]).balances.is_empty());
}

/// The store refuses unsupported charges with a misconfiguration error, and takes nothing.
pub fn what_is_not_kept_is_refused<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let kept = Charge::new("alice", hourly(2, S::ALGORITHMS[0]));
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !S::ALGORITHMS.contains(algorithm)) {
        let charges = [kept.clone(), Charge::new("limit|alice", hourly(2, algorithm))];
        let refusal = subject.run(subject.store().take(&charges)).expect_err("the store does not keep it");
        assert!(refusal.is_misconfiguration(), "{refusal}");
        assert!(!refusal.to_string().contains("alice"), "an error names no caller: {refusal}");
    }
    assert_eq!(caller.remaining(&kept), 2);
}

/// Keys share nothing, and neither do the algorithms of one key.
pub fn every_key_and_algorithm_has_an_account_of_its_own<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for key in ["alice", "bob", "", "alice ", "al\u{1}ice", "ключ", &"long".repeat(99)] {
        for charge in each(key, 2, S::ALGORITHMS) {
            assert_eq!(caller.exhaust(from_ref(&charge)), 2, "{charge:?}");
        }
    }
}

/// Any denied charge means that none is taken, and a later request finds all accounts as they were.
pub fn a_denied_request_charges_nothing_anywhere<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for full in S::ALGORITHMS.iter().copied() {
        let spent = Charge::new("spent", hourly(1, full));
        caller.admit(from_ref(&spent));
        for place in 0..=S::ALGORITHMS.len() {
            let others = each("others", 5, S::ALGORITHMS);
            let mut charges = others.clone();
            charges.insert(place, spent.clone());
            let denial = caller.deny(&charges);
            assert_eq!(denial.charge, place, "{charges:?}");
            for (charge, balance) in charges.iter().zip(&denial.balances) {
                let (left, fits) = if *charge == spent { (0, false) } else { (5, true) };
                assert_eq!((balance.remaining, balance.wait.fits()), (left, fits), "{charge:?}");
            }
            assert!(others.iter().all(|charge| caller.remaining(charge) == 5), "{full} denied at {place}");
        }
    }
}

/// An admitted request is charged on each of its accounts, at each one's own cost.
pub fn an_admitted_request_is_charged_everywhere<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let costs = [1, 2, 3, 4, 5];
    let charges: Vec<_> = each("alice", 9, S::ALGORITHMS)
        .into_iter()
        .zip(costs)
        .map(|(charge, cost)| charge.cost(cost))
        .collect();
    let taken = caller.admit(&charges);
    for ((charge, cost), balance) in charges.iter().zip(costs).zip(&taken.balances) {
        assert_eq!(balance.remaining, 9 - cost, "{charge:?}");
        assert_eq!(caller.remaining(charge), 9 - cost, "{charge:?}");
    }
}

/// Charges of one request on the same account are taken from it one after the other, and wait for their sum.
pub fn charges_on_one_account_add_up<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, S::ALGORITHMS) {
        let of = |costs: [u64; 2]| costs.map(|cost| charge.clone().cost(cost));
        let denial = caller.deny(&of([6, 5]));
        assert_eq!((denial.charge, denial.wait), (1, Wait::Forever), "6 and 5 never fit into 10: {charge:?}");
        assert_eq!(caller.remaining(&charge), 10, "{charge:?}");
        let left: Vec<_> =
            caller.admit(&of([6, 3])).balances.iter().map(|balance| balance.remaining).collect();
        assert_eq!(left, [4, 1], "{charge:?}");
        assert_eq!(caller.deny(&of([1, 1])).charge, 1, "{charge:?}");
        caller.admit(&of([1, 0]));
        assert_eq!(caller.remaining(&charge), 0, "{charge:?}");
    }
}

/// A cost of nothing tells the balance and leaves it.
pub fn a_peek_changes_nothing<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 3, S::ALGORITHMS) {
        for left in [3, 2, 1, 0] {
            assert_eq!([caller.remaining(&charge), caller.remaining(&charge)], [left; 2], "{charge:?}");
            if left > 0 {
                caller.admit(from_ref(&charge));
            }
        }
    }
}

/// Nothing is asked of a spent account by a peek, so it denies none, nor a request that only peeks at it.
pub fn a_peek_at_a_spent_account_is_admitted<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 1, S::ALGORITHMS) {
        let taken = caller.admit(from_ref(&charge));
        caller.settle(from_ref(&charge), taken.lease, &[5]);
        let other = Charge::new("bob", charge.quota);
        caller.admit(&[charge.clone().cost(0), other.clone()]);
        assert_eq!(caller.remaining(&other), 0, "{charge:?}");
    }
}

/// A cost above the burst is denied for ever, however full the account.
pub fn a_cost_above_the_burst_never_fits<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let mut charges = each("alice", 10, S::ALGORITHMS);
    let bursty = hourly(10, Algorithm::TokenBucket).with_burst(3).expect("a good burst");
    charges.push(Charge::new("bursty", bursty));
    for charge in charges {
        let burst = charge.quota.burst_size();
        for cost in [burst + 1, u64::MAX] {
            let denial = caller.deny(&[charge.clone().cost(cost)]);
            assert_eq!((denial.wait, denial.retry_after()), (Wait::Forever, None), "{cost} of {charge:?}");
            assert_eq!(denial.balances[0].remaining, burst, "{charge:?}");
        }
        caller.admit(&[charge.cost(burst)]);
    }
}

/// A quota of nothing admits nothing but a peek.
pub fn a_quota_of_nothing_admits_nothing<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 0, S::ALGORITHMS) {
        assert_eq!(caller.deny(from_ref(&charge)).wait, Wait::Forever, "{charge:?}");
        assert_eq!(caller.remaining(&charge), 0, "{charge:?}");
    }
}

/// Of several charges that deny, the one that takes longest is named; every other's wait stands in its balance.
pub fn a_denial_names_the_longest_wait<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let short = Charge::new("short", hourly(60, Algorithm::TokenBucket)).cost(60);
    let long = Charge::new("long", hourly(1, Algorithm::FixedWindow));
    let never = Charge::new("never", hourly(1, Algorithm::SlidingLog)).cost(2);
    let free = Charge::new("free", hourly(1, Algorithm::SlidingWindow));
    caller.admit(&[short.clone(), long.clone()]);
    let short = short.cost(1);
    let named = |charges: &[&Charge]| {
        let charges: Vec<_> = charges.iter().copied().cloned().collect();
        let denial = caller.deny(&charges);
        assert_eq!(denial.wait, denial.balances[denial.charge].wait);
        assert!(denial.balances.iter().all(|balance| balance.wait <= denial.wait), "{denial:?}");
        (denial.charge, denial.balances.iter().filter(|balance| !balance.wait.fits()).count())
    };
    assert_eq!(named(&[&free, &short]), (1, 1));
    assert_eq!(named(&[&free, &short, &long]), (2, 2));
    assert_eq!(named(&[&long, &free, &short]), (0, 2));
    assert_eq!(named(&[&long, &never, &short]), (1, 3));
    assert_eq!(named(&[&never, &free, &long]), (0, 2));
    if leases::<S>() {
        let slot = Charge::new("alice", Quota::concurrent(1));
        caller.admit(from_ref(&slot));
        assert_eq!(named(&[&free, &slot]), (1, 1));
        assert_eq!(
            named(&[&slot, &short, &free]),
            (1, 2),
            "a time is longer than what may end at any moment"
        );
        assert_eq!(named(&[&short, &free, &slot]), (0, 2));
        assert_eq!(named(&[&slot, &short, &long]), (2, 3));
        assert_eq!(named(&[&long, &short, &slot]), (0, 3));
        assert_eq!(named(&[&never, &free, &slot]), (0, 2));
    }
    assert_eq!(caller.remaining(&free), 1);
}
