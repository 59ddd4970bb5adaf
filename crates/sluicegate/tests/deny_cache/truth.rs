//! A remembered denial equals the store's own.

use std::{slice::from_ref, time::Duration};

use proptest::{prelude::*, sample::Index};
use sluicegate::{Algorithm, Charge, Decision, Denial, Lease, Quota, Unit, Wait};

use crate::inner::{Asker, Inner};

#[derive(Clone, Debug)]
enum Step {
    /// An instance takes.
    Take(Index, Vec<Charge>),
    /// Asks again for what was denied last.
    Again(Index),
    /// Asks for the same at other costs.
    Like(Index, Vec<u64>),
    Settle(Index, u64),
    Reset(Charge),
    Wait(Duration),
    /// Waits until a nanosecond before what was denied last fits.
    Nearly,
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![
        (0..2_000_u64).prop_map(Duration::from_nanos),
        (0..90_u64).prop_map(Duration::from_millis)
    ];
    prop_oneof![
        6 => (any::<Index>(), prop::collection::vec(charge(), 1..5)).prop_map(|(asker, charges)| Step::Take(asker, charges)),
        6 => any::<Index>().prop_map(Step::Again),
        4 => (any::<Index>(), prop::collection::vec(0..5_u64, 4)).prop_map(|(asker, costs)| Step::Like(asker, costs)),
        2 => (any::<Index>(), 0..9_u64).prop_map(|(lease, share)| Step::Settle(lease, share)),
        1 => charge().prop_map(Step::Reset),
        2 => wait.prop_map(Step::Wait),
        2 => Just(Step::Nearly),
    ]
}

/// On a few accounts, so that requests meet.
fn charge() -> impl Strategy<Value = Charge> {
    let accounts =
        vec![("few", 3_u64, Unit::Requests), ("some", 8, Unit::Tokens), ("many", 1_000_003, Unit::Requests)];
    let algorithm = prop::sample::select(&Algorithm::ALL[..]);
    (prop::sample::select(accounts), algorithm, 0..5_u64).prop_map(
        |((key, amount, unit), algorithm, cost)| {
            let quota = match algorithm {
                Algorithm::Concurrent => Quota::concurrent(amount),
                Algorithm::SlidingLog => every_tenth_of_a_second(amount.min(Quota::MAX_LOG), unit),
                _ => every_tenth_of_a_second(amount, unit),
            };
            at(cost, Charge::new(key, quota.with_algorithm(algorithm).expect("no burst of its own")))
        },
    )
}

fn every_tenth_of_a_second(amount: u64, unit: Unit) -> Quota {
    let quota = Quota::new(amount, Duration::from_millis(100)).and_then(|quota| quota.with_unit(unit));
    quota.expect("a good window")
}

/// The charge at a cost that matters to its quota.
fn at(cost: u64, charge: Charge) -> Charge {
    let cost = if charge.quota.amount() > 1_000 { cost * 300_001 } else { cost };
    charge.cost(cost)
}

/// Instances on one store, which take and settle.
struct Run {
    inner: Inner,
    askers: Vec<Asker>,
    open: Vec<(usize, Vec<Charge>, Lease)>,
    denied: Option<(Vec<Charge>, Wait)>,
}

impl Run {
    fn of(instances: usize) -> Self {
        let inner = Inner::new();
        let askers = (0..instances).map(|_| Asker::of(&inner, |builder| builder.max_keys(64))).collect();
        Self { inner, askers, open: Vec::new(), denied: None }
    }

    fn play(mut self, steps: &[Step], refunds: bool) {
        for step in steps {
            match step {
                Step::Take(asker, charges) => self.take(asker.index(self.askers.len()), charges),
                Step::Again(asker) => {
                    if let Some((charges, _)) = self.denied.clone() {
                        self.take(asker.index(self.askers.len()), &charges);
                    }
                }
                Step::Like(asker, costs) => {
                    if let Some((charges, _)) = self.denied.clone() {
                        let charges: Vec<_> =
                            charges.into_iter().zip(costs).map(|(charge, cost)| at(*cost, charge)).collect();
                        self.take(asker.index(self.askers.len()), &charges);
                    }
                }
                Step::Settle(lease, share) if !self.open.is_empty() => {
                    let (asker, charges, lease) = self.open.swap_remove(lease.index(self.open.len()));
                    let share = if refunds { *share } else { share + 4 };
                    let actual: Vec<_> =
                        charges.iter().map(|charge| charge.cost.units() * share / 4).collect();
                    self.askers[asker].settle(&charges, lease, &actual);
                }
                // As a refund: it is seen by the instance through which it goes.
                Step::Reset(account) if refunds => self.askers[0].reset(from_ref(account)),
                Step::Settle(..) | Step::Reset(_) => {}
                Step::Wait(duration) => self.inner.clock.advance(*duration),
                Step::Nearly => {
                    if let Some((_, Wait::For(wait))) = self.denied {
                        self.inner.clock.advance(wait - Duration::from_nanos(1));
                    }
                }
            }
        }
    }

    fn take(&mut self, asker: usize, charges: &[Charge]) {
        let hits = self.askers[asker].cache.hits();
        match self.askers[asker].take(charges) {
            Decision::Allow(taken) => self.open.push((asker, charges.to_vec(), taken.lease)),
            Decision::Deny(denial) => {
                if self.askers[asker].cache.hits() > hits {
                    self.check(charges, &denial);
                }
                self.denied = Some((charges.to_vec(), denial.wait));
            }
        }
    }

    /// The store denies too, by the same charge, and for no shorter a time; and if nobody else spends, for no longer.
    fn check(&self, charges: &[Charge], denial: &Denial) {
        let decision = self.inner.memory.take_now(charges);
        let Some(asked) = decision.denial() else {
            panic!("remembered, and yet admitted: {denial:?} of {charges:?}");
        };
        let [told, asked] = [denial, asked].map(|from| from.balances[denial.charge]);
        let nearly = |wait: Wait| match wait {
            // The wait of a greater cost than the one that was remembered is rounded twice.
            Wait::For(wait) => Wait::For(wait + Duration::from_nanos(1)),
            wait => wait,
        };
        assert!(told.wait <= nearly(asked.wait), "{told:?}, and not {asked:?} of {charges:?}");
        if self.askers.len() == 1 {
            assert!(asked.wait <= told.wait, "{told:?}, and not {asked:?} of {charges:?}");
            assert!(told.remaining <= asked.remaining, "{told:?}, and not {asked:?} of {charges:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8 * ProptestConfig::default().cases))]

    /// K1: where nobody gives refunds, a remembered denial is one that the store would give, whoever else spends.
    #[test]
    fn without_refunds_a_remembered_denial_is_one_that_the_store_would_give(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        Run::of(2).play(&steps, false);
    }

    /// The same with refunds and resets that go through the cache.
    #[test]
    fn after_refunds_through_the_cache_it_is_so_too(steps in prop::collection::vec(step(), 1..60)) {
        Run::of(1).play(&steps, true);
    }
}
