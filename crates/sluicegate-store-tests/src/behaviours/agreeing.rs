//! The same is decided as in memory.

use sluicegate::{Balance, Charge, Clock, Cost, Decision, Lease, ManualClock, MemoryStore, Store, Wait};

use super::recording::{Step, play_recordings};
use crate::{Caller, LeaseOf, Subject};

/// Any sequence of requests, settlements, releases, resets, waits and steps of the clock is answered as a store in memory answers it, to the unit
/// and to the step of the store's clock. For stores whose clock tests move.
pub fn whatever_is_asked_is_answered_as_in_memory<S: Subject>(fresh: impl Fn() -> S) {
    play_recordings::<S>(|steps| Pair::of(&fresh()).play(steps));
}

/// A store and one in memory, of which the same is asked at the same time.
struct Pair<'a, S: Subject> {
    subject: &'a S,
    caller: Caller<'a, S>,
    memory: MemoryStore<ManualClock>,
    open: Vec<Open<LeaseOf<S>>>,
    denied: Option<(Vec<Charge>, Wait)>,
}

/// Charges that both have taken, with their leases.
struct Open<L> {
    charges: Vec<Charge>,
    there: L,
    here: Lease,
}

impl<'a, S: Subject> Pair<'a, S> {
    fn of(subject: &'a S) -> Self {
        let memory = MemoryStore::builder().clock(ManualClock::new()).build();
        Self { subject, caller: Caller::of(subject), memory, open: Vec::new(), denied: None }
    }

    fn play(mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Take(charges) => self.take(charges),
                Step::Settle(lease, shares) if !self.open.is_empty() => {
                    let Open { charges, there, here } = self.open.swap_remove(lease.index(self.open.len()));
                    let used =
                        charges.iter().zip(shares).map(|(charge, share)| charge.cost.units() * share / 4);
                    let used: Vec<u64> = used.collect();
                    let actual: Vec<Cost> = used.iter().copied().map(Cost::new).collect();
                    self.same_time();
                    self.caller.settle(&charges, there, &used);
                    self.memory.settle_now(&charges, here, &actual);
                }
                Step::Release(lease) if !self.open.is_empty() => {
                    let Open { charges, there, here } = &self.open[lease.index(self.open.len())];
                    self.caller.release(charges, there.clone());
                    self.memory.release(charges, *here);
                }
                Step::Reset(accounts) => {
                    self.caller.advance(self.caller.step());
                    self.caller.reset(accounts);
                    self.memory.reset_now(accounts);
                }
                Step::Wait(duration) => self.caller.advance(*duration),
                Step::SetBack(by) => self.caller.set_back(*by),
                Step::SetForward(by) => self.caller.set_forward(*by),
                Step::Retry => self.retry(),
                Step::Settle(..) | Step::Release(_) => {}
            }
        }
    }

    fn take(&mut self, charges: &[Charge]) {
        self.same_time();
        match (self.caller.take(charges), self.memory.take_now(charges)) {
            (Decision::Allow(there), Decision::Allow(here)) => {
                assert_eq!(S::lease(&there.lease).taken_at, here.lease.taken_at);
                self.agree(charges, &there.balances, &here.balances);
                self.open.push(Open { charges: charges.to_vec(), there: there.lease, here: here.lease });
            }
            (Decision::Deny(there), Decision::Deny(here)) => {
                assert_eq!(there.charge, here.charge, "{there:?}, in memory {here:?}, of {charges:?}");
                assert_eq!(there.wait, self.told(here.wait), "{there:?}, in memory {here:?}, of {charges:?}");
                self.agree(charges, &there.balances, &here.balances);
                self.denied = Some((charges.to_vec(), there.wait));
            }
            (there, here) => panic!("{there:?}, in memory {here:?}, of {charges:?}"),
        }
    }

    fn retry(&mut self) {
        let Some((charges, Wait::For(wait))) = self.denied.take() else { return };
        self.caller.advance(wait.saturating_sub(self.caller.step()));
        self.take(&charges);
        self.caller.advance(self.caller.step());
        self.take(&charges);
    }

    /// Lets memory's clock show the store's time.
    fn same_time(&self) {
        self.memory.clock().advance_ticks(self.subject.now().ticks() - self.memory.clock().now().ticks());
    }

    fn agree(&self, charges: &[Charge], there: &[Balance], here: &[Balance]) {
        for ((charge, there), here) in charges.iter().zip(there).zip(here) {
            let told = |time| match self.told(Wait::For(time)) {
                Wait::For(time) => time,
                _ => time,
            };
            let here = Balance {
                reset_after: told(here.reset_after),
                next_after: told(here.next_after),
                wait: self.told(here.wait),
                ..*here
            };
            assert_eq!(*there, here, "of {charge:?} in {charges:?}");
        }
    }

    /// The wait as reported by a store whose clock has larger steps than memory's.
    fn told(&self, wait: Wait) -> Wait {
        match wait {
            Wait::For(time) => {
                let step = self.caller.step().as_nanos();
                let steps = u64::try_from(time.as_nanos().div_ceil(step) * step).expect("a window at most");
                Wait::For(std::time::Duration::from_nanos(steps))
            }
            other => other,
        }
    }
}
