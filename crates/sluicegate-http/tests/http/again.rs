//! The decisions of a log, taken again.

use std::{collections::HashMap, time::Duration};

use sluicegate::{Charge, Cost, Decision, Key, Limiter, ManualClock, MemoryStore, Permit};
use sluicegate_http::decision_log::{Outcome, Record, Time};
use sluicegate_policy::{Mode, Policy};

/// Takes the charges of a log again, on accounts of its own, and expects the same decisions.
pub(crate) struct Again {
    policy: Policy,
    clock: ManualClock,
    limiter: Limiter<MemoryStore<ManualClock>>,
    now: Option<Time>,
    running: HashMap<String, Vec<Permit<MemoryStore<ManualClock>>>>,
}

impl Again {
    pub(crate) fn new(policy: Policy) -> Self {
        let clock = ManualClock::new();
        let limiter = Limiter::new(MemoryStore::builder().clock(clock.clone()).build());
        Self { policy, clock, limiter, now: None, running: HashMap::new() }
    }

    fn at(&mut self, time: Time) {
        let before = self.now.replace(time).unwrap_or(time);
        self.clock.advance(Duration::from_nanos(time.nanoseconds() - before.nanoseconds()));
    }

    pub(crate) fn take(&mut self, line: &str) {
        match Record::parse(line).expect("a record") {
            Record::Decision(decision) => {
                self.at(decision.time);
                let tier =
                    decision.keys.get("tier").and_then(|tier| self.policy.tiers.find(tier)).expect("a tier");
                let charge = |mode: Mode| {
                    decision.limits.iter().filter(move |limit| limit.mode == mode).map(|limit| {
                        let id = self.policy.find_limit(&limit.name).expect("a limit");
                        let quota = self.policy.limit(id).quota(tier);
                        Charge::new(Key::from(&*limit.key), quota).cost(Cost::new(limit.charge))
                    })
                };
                let enforced: Vec<_> = charge(Mode::Enforce).collect();
                let mut told = Vec::new();
                let mut permits = Vec::new();
                let mut take = |charges: &[Charge]| {
                    let judged = self.limiter.take_now(charges);
                    let balances = match &judged {
                        Decision::Allow(permit) => permit.balances().to_vec(),
                        Decision::Deny(denial) => denial.balances.to_vec(),
                    };
                    told.extend(
                        balances
                            .iter()
                            .map(|it| (it.wait.fits(), it.remaining, it.wait.duration().map(seconds))),
                    );
                    permits.extend(judged.allowed());
                    permits.len()
                };
                let is_allowed = take(&enforced) == 1;
                for charge in charge(Mode::Shadow) {
                    take(&[charge]);
                }
                let logged = decision.limits.iter().map(|it| (it.allowed, it.remaining, it.wait));
                assert_eq!(told, logged.collect::<Vec<_>>(), "{line}");
                assert_eq!(is_allowed, decision.outcome == Outcome::Allowed);
                self.running.insert(decision.id.into_owned(), permits);
            }
            Record::End(end) => {
                self.at(end.time);
                self.running.remove(&*end.id).expect("it was decided before");
            }
            Record::Start(_) | Record::Extend(_) | Record::Reset(_) => panic!("{line}"),
        }
    }
}

/// The number nearest to this time, which a decimal of all its digits is read as.
fn seconds(time: Duration) -> f64 {
    format!("{}.{:09}", time.as_secs(), time.subsec_nanos()).parse().expect("a number")
}
