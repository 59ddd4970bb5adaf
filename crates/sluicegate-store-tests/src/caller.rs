//! The caller of a store under test.

use std::time::Duration;

use sluicegate::{Balance, Charge, Cost, Decision, Denial, Quota, Store, Timestamp, Wait};

use crate::{LeaseOf, Subject, TakenOf, oracle::Moment};

/// Asks a store under test, and expects an answer.
pub(crate) struct Caller<'a, S> {
    subject: &'a S,
}

impl<'a, S: Subject> Caller<'a, S> {
    pub(crate) fn of(subject: &'a S) -> Self {
        Self { subject }
    }

    pub(crate) fn take(&self, charges: &[Charge]) -> Decision<TakenOf<S>> {
        self.subject.run(self.subject.store().take(charges)).expect("the store answers")
    }

    /// Takes what must be admitted.
    pub(crate) fn admit(&self, charges: &[Charge]) -> TakenOf<S> {
        match self.take(charges) {
            Decision::Allow(taken) => taken,
            Decision::Deny(denial) => panic!("denied: {denial:?} of {charges:?}"),
        }
    }

    /// Asks for what must be denied.
    pub(crate) fn deny(&self, charges: &[Charge]) -> Denial {
        match self.take(charges) {
            Decision::Allow(taken) => panic!("admitted: {taken:?} of {charges:?}"),
            Decision::Deny(denial) => denial,
        }
    }

    /// Takes the same until it is denied; how often it was admitted.
    pub(crate) fn exhaust(&self, charges: &[Charge]) -> usize {
        (0..10_000).take_while(|_| self.take(charges).is_allowed()).count()
    }

    pub(crate) fn settle(&self, charges: &[Charge], lease: LeaseOf<S>, actual: &[u64]) {
        let actual: Vec<_> = actual.iter().copied().map(Cost::new).collect();
        self.subject.run(self.subject.store().settle(charges, lease, &actual)).expect("the store answers");
    }

    pub(crate) fn release(&self, charges: &[Charge], lease: LeaseOf<S>) {
        self.subject.store().release(charges, lease);
        self.subject.flush();
    }

    pub(crate) fn reset(&self, accounts: &[Charge]) {
        self.subject.reset(accounts);
    }

    /// The balance that a charge of cost 0 gets.
    pub(crate) fn peek(&self, charge: &Charge) -> Balance {
        self.admit(&[charge.clone().cost(0)]).balances[0]
    }

    pub(crate) fn remaining(&self, charge: &Charge) -> u64 {
        self.peek(charge).remaining
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.subject.advance(by);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.subject.now()
    }

    /// Sets the store's clock back.
    pub(crate) fn set_back(&self, by: Duration) {
        self.see_the_time();
        self.subject.set_back(by);
    }

    /// Sets the store's clock forward.
    pub(crate) fn set_forward(&self, by: Duration) {
        self.subject.set_forward(by);
        self.see_the_time();
    }

    /// A store knows only what its clock has shown while it was asked.
    fn see_the_time(&self) {
        if let Some(algorithm) = S::ALGORITHMS.first() {
            let second =
                Quota::new(1, Duration::from_secs(1)).and_then(|quota| quota.with_algorithm(*algorithm));
            self.peek(&Charge::new("the time", second.expect("a quota of any algorithm that keeps time")));
        }
    }

    /// The result of `ask`, and the readings of the clock around it.
    pub(crate) fn within<T>(&self, ask: impl FnOnce() -> T) -> (T, Moment) {
        let earliest = self.subject.now();
        let answer = ask();
        (answer, Moment { earliest, latest: self.subject.now() })
    }

    /// The result of `ask`, and `true` if the store remembered it.
    pub(crate) fn telling<T>(&self, ask: impl FnOnce() -> T) -> (T, bool) {
        let before = self.subject.remembered();
        let answer = ask();
        (answer, self.subject.remembered() > before)
    }

    /// Expects that `charges`, which do not fit now, fit exactly when they are said to.
    pub(crate) fn wait_out(&self, charges: &[Charge]) -> TakenOf<S> {
        let ((denial, remembered), moment) = self.within(|| self.telling(|| self.deny(charges)));
        let Wait::For(wait) = denial.wait else { panic!("no time to wait: {denial:?} of {charges:?}") };
        let passed = |now: &Timestamp| now.since(moment.earliest);
        self.advance(wait.saturating_sub(self.step() + passed(&self.subject.now())));
        let (early, again) = self.within(|| self.take(charges));
        // Where the clock runs by itself, it may have run past the time.
        match early {
            Decision::Allow(taken) => {
                // What is remembered of a smaller cost is rounded twice.
                let wait = wait - if remembered { self.step() } else { Duration::ZERO };
                assert!(passed(&again.latest) >= wait, "admitted before {wait:?} had passed: {charges:?}");
                return taken;
            }
            Decision::Deny(_) => self.advance((moment.latest + wait).since(self.subject.now())),
        }
        self.admit(charges)
    }

    /// The least that the store's clock can move by, and a wait can be told to.
    pub(crate) fn step(&self) -> Duration {
        Duration::from_nanos(self.subject.tick().div_ceil(16))
    }
}
