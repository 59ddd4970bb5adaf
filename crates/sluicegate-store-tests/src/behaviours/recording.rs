//! Random requests in random order get the results of exact books.

use std::{fmt, time::Duration};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use sluicegate::{Algorithm, Balance, Charge, Decision, Quota, Taken, Unit, Wait};

use super::every;
use crate::{
    Caller, LeaseOf, Subject,
    oracle::{Due, Moment, Oracle},
};

/// Any sequence of requests, settlements, releases, resets, waits and steps of the clock is answered as the exact books say.
pub fn whatever_is_asked_is_answered_as_exact_books_say<S: Subject>(fresh: impl Fn() -> S) {
    play_recordings::<S>(|steps| Recording::of(&fresh()).play(steps));
}

/// Plays as many random recordings as the subject has time for.
pub(super) fn play_recordings<S: Subject>(play: impl Fn(&[Step])) {
    let config = Config::default();
    let cases = S::RECORDINGS.saturating_mul(config.cases).div_ceil(256);
    let config = Config { cases, failure_persistence: None, ..config };
    TestRunner::new(config)
        .run(&prop::collection::vec(step::<S>(), 1..40), |steps| {
            play(&steps);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// One thing that somebody does.
#[derive(Clone)]
pub(super) enum Step {
    Take(Vec<Charge>),
    /// Settle a lease that is open, for these shares (in quarters) of its estimates.
    Settle(Index, Vec<u64>),
    Release(Index),
    Reset(Vec<Charge>),
    Wait(Duration),
    /// Set the store's clock back.
    SetBack(Duration),
    /// Set it forward.
    SetForward(Duration),
    /// Wait until what was denied last fits, and ask again: a step too early, and in time.
    Retry,
}

/// One line for each step, so that a failure can be read as a story.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Take(charges) => {
                let bill = charges.iter().map(|Charge { key, quota, cost, .. }| {
                    format!("{} of {quota} {} on {key}", cost.units(), quota.algorithm())
                });
                write!(f, "take {}", bill.collect::<Vec<_>>().join(" + "))
            }
            Self::Settle(_, shares) => write!(f, "settle one for {shares:?} quarters"),
            Self::Release(_) => f.write_str("release one"),
            Self::Reset(accounts) => {
                let accounts = accounts
                    .iter()
                    .map(|Charge { key, quota, .. }| format!("{} of {key}", quota.algorithm()));
                write!(f, "reset {}", accounts.collect::<Vec<_>>().join(" + "))
            }
            Self::Wait(duration) => write!(f, "wait {duration:?}"),
            Self::SetBack(by) => write!(f, "set the clock back by {by:?}"),
            Self::SetForward(by) => write!(f, "set the clock forward by {by:?}"),
            Self::Retry => f.write_str("retry what was denied, when told"),
        }
    }
}

fn step<S: Subject>() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![
        (0..2_000_u64).prop_map(Duration::from_nanos),
        (0..150_u64).prop_map(Duration::from_millis),
        (0..40_u64).prop_map(|windows| WINDOW * windows.try_into().unwrap_or(0) / 10),
    ];
    prop_oneof![
        8 => prop::collection::vec(charge::<S>(), 1..5).prop_map(one_quota_each).prop_map(Step::Take),
        3 => wait.clone().prop_map(Step::Wait),
        1 => prop_oneof![2 => wait.clone(), 1 => Just(Duration::from_secs(3_600))].prop_map(Step::SetBack),
        1 => wait.prop_map(Step::SetForward),
        2 => (any::<Index>(), prop::collection::vec(0..9_u64, 0..4)).prop_map(|(lease, shares)| Step::Settle(lease, shares)),
        1 => any::<Index>().prop_map(Step::Release),
        1 => prop::collection::vec(charge::<S>(), 1..5).prop_map(Step::Reset),
        2 => Just(Step::Retry),
    ]
}

fn charge<S: Subject>() -> impl Strategy<Value = Charge> {
    let algorithm = prop::sample::select(S::ALGORITHMS);
    let amount = prop::sample::select(vec![1_u64, 3, 10, 64]);
    let scale = prop_oneof![3 => Just(1_000_000_u64), 1 => Just(500_000), 1 => Just(2_000_000)];
    let cost = prop_oneof![4 => 0..4_u64, 1 => 0..80_u64];
    (prop::sample::select(vec!["alice", "bob"]), algorithm, amount, scale, any::<bool>(), cost).prop_map(
        |(key, algorithm, amount, scale, fine, cost)| {
            // Millions of tokens in a window, each worth a broken number of ticks; or units that last milliseconds.
            let (amount, cost) =
                if fine && !matches!(algorithm, Algorithm::SlidingLog | Algorithm::Concurrent) {
                    (amount * 1_000_003, cost * 500_009)
                } else {
                    (amount, cost)
                };
            let quota = every(WINDOW, amount, algorithm).scaled(scale);
            let quota = if algorithm == Algorithm::Concurrent { quota } else { tokens(quota) };
            Charge::new(format!("{key} {amount}"), quota).cost(cost)
        },
    )
}

fn tokens(quota: Quota) -> Quota {
    quota.with_unit(Unit::Tokens).expect("a window of tokens")
}

/// Two charges of a request on one account have one quota.
fn one_quota_each(mut charges: Vec<Charge>) -> Vec<Charge> {
    for index in 0..charges.len() {
        let (earlier, rest) = charges.split_at_mut(index);
        let account = |charge: &Charge| (charge.key.clone(), charge.quota.algorithm());
        if let Some(first) = earlier.iter().find(|first| account(first) == account(&rest[0])) {
            rest[0].quota = first.quota;
        }
    }
    charges
}

struct Recording<'a, S: Subject> {
    caller: Caller<'a, S>,
    /// The smallest step of time that the store distinguishes.
    step: u128,
    oracle: Oracle,
    open: Vec<(Vec<Charge>, LeaseOf<S>)>,
    denied: Option<(Vec<Charge>, Wait)>,
}

impl<'a, S: Subject> Recording<'a, S> {
    fn of(subject: &'a S) -> Self {
        Self {
            caller: Caller::of(subject),
            step: u128::from(subject.tick()).max(16),
            oracle: Oracle::new(subject.tick()),
            open: Vec::new(),
            denied: None,
        }
    }

    fn play(mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Take(charges) => self.take(charges),
                Step::Settle(lease, shares) if !self.open.is_empty() => self.settle(*lease, shares),
                Step::Release(lease) if !self.open.is_empty() => self.release(*lease),
                Step::Reset(accounts) => {
                    // What was taken at this very moment cannot be told from what is taken next.
                    self.caller.advance(self.caller.step());
                    self.caller.reset(accounts);
                    self.oracle.reset(accounts);
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
        let ((decision, remembered), moment) =
            self.caller.within(|| self.caller.telling(|| self.caller.take(charges)));
        let moment = moment.give_or_take(S::ROUNDING);
        let due = self.oracle.judge(charges, moment);
        match decision {
            Decision::Allow(Taken { balances, lease, .. }) => {
                assert!(due.iter().all(|due| due.may_be_now()), "admitted {charges:?}, due in {due:?}");
                let claim = S::lease(&lease);
                assert!(
                    (moment.earliest..=moment.latest).contains(&claim.taken_at),
                    "taken outside of its time"
                );
                self.oracle.charge(charges, claim);
                self.open.push((charges.to_vec(), lease));
                // Where two charges are on one account, only the last balance tells how it stands.
                for (index, balance) in balances.iter().enumerate() {
                    let of = |charge: &Charge| (charge.key.clone(), charge.quota.algorithm());
                    if charges[index + 1..].iter().all(|later| of(later) != of(&charges[index])) {
                        self.check(&charges[index], *balance, moment, false);
                    }
                }
            }
            Decision::Deny(denial) => {
                let rounding = Duration::from_nanos(S::ROUNDING / 16);
                let is_rounded = matches!(denial.wait, Wait::For(wait) if wait <= rounding);
                assert!(
                    is_rounded || !due.iter().all(|due| due.must_be_now()),
                    "denied {charges:?}: {denial:?}"
                );
                assert_eq!(denial.wait, denial.balances[denial.charge].wait, "{denial:?}");
                for (index, balance) in denial.balances.iter().enumerate() {
                    assert!(balance.wait <= denial.wait, "not the longest wait: {denial:?}");
                    // What was remembered is true of the charge that denies; the others are told as they were.
                    if index == denial.charge || !remembered {
                        self.agree(balance.wait, due[index], &charges[index]);
                        self.check(&charges[index], *balance, moment, remembered);
                    }
                }
                self.denied = Some((charges.to_vec(), denial.wait));
            }
        }
    }

    /// The balance is what the books say is left; what was remembered is no more than that.
    fn check(&self, charge: &Charge, balance: Balance, moment: Moment, remembered: bool) {
        let due = |units: u64| self.oracle.due(charge, &[units.into()], moment);
        assert!(balance.remaining <= charge.quota.burst_size(), "{balance:?} of {charge:?}");
        assert!(balance.remaining == 0 || due(balance.remaining).may_be_now(), "{balance:?} of {charge:?}");
        assert!(
            remembered || !due(balance.remaining + 1 + self.rounding(charge)).must_be_now(),
            "{balance:?} of {charge:?}"
        );
        if charge.quota.algorithm() != Algorithm::Concurrent {
            let told = |duration: Duration| if duration.is_zero() { Wait::None } else { Wait::For(duration) };
            self.agree(told(balance.next_after), due(1), charge);
            self.agree(told(balance.reset_after), self.oracle.full(charge, moment), charge);
        }
    }

    /// The number of units that a bucket's balance may lack, because each is rounded up to a tick.
    fn rounding(&self, charge: &Charge) -> u64 {
        match charge.quota.algorithm() {
            Algorithm::TokenBucket => charge.quota.burst_size() / 1_024 + u64::from(S::ROUNDING > 0),
            _ => 0,
        }
    }

    /// The wait that was told is the one that the books know.
    fn agree(&self, wait: Wait, due: Due, charge: &Charge) {
        let agrees = match (wait, due) {
            (Wait::None, due) => due.may_be_now(),
            (Wait::For(told), Due::In(least, most)) => {
                let told = told.as_nanos() * 16;
                least <= told && told < most + self.step + u128::from(S::ROUNDING)
            }
            (Wait::Release, Due::OnRelease) | (Wait::Forever, Due::Never) => true,
            _ => false,
        };
        assert!(agrees, "told to wait {wait:?}, due {due:?}: {charge:?}");
    }

    fn settle(&mut self, lease: Index, shares: &[u64]) {
        let (charges, lease) = self.open.swap_remove(lease.index(self.open.len()));
        let actual: Vec<_> =
            charges.iter().zip(shares).map(|(charge, share)| charge.cost.units() * share / 4).collect();
        let claim = S::lease(&lease);
        let ((), moment) = self.caller.within(|| self.caller.settle(&charges, lease, &actual));
        let actual: Vec<_> = actual.into_iter().map(Into::into).collect();
        self.oracle.settle(&charges, claim, &actual, moment);
    }

    fn release(&mut self, lease: Index) {
        // Stays open: what was released may be settled later, and released again.
        let (charges, lease) = &self.open[lease.index(self.open.len())];
        let ((), moment) = self.caller.within(|| self.caller.release(charges, lease.clone()));
        self.oracle.release(charges, S::lease(lease), moment);
    }

    fn retry(&mut self) {
        let Some((charges, Wait::For(wait))) = self.denied.take() else { return };
        self.caller.advance(wait.saturating_sub(self.caller.step()));
        self.take(&charges);
        self.caller.advance(self.caller.step());
        self.take(&charges);
    }
}

/// Short, so that a store whose time cannot be moved is not waited for.
const WINDOW: Duration = Duration::from_millis(100);
