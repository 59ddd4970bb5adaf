//! A model of a store that lends chunks of its quotas.

mod lent_bucket;

use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sluicegate::{
    Algorithm, Backend, Balances, Charge, Chunk, Clock, Cost, Decision, Key, Lease, Lender, OutageMode,
    Quota, Remainder, Resilient, Store, StoreError, Taken, Timestamp,
    accounts::{AnyAccount, Slots, Snapshot, Verdict},
};

pub use lent_bucket::LentBucket;

/// A store in this process that lends chunks, as one behind a network does: for tests of what goes around it.
#[derive(Debug)]
pub struct LendingStore<C> {
    clock: C,
    /// The finest step of its time and of what it knows of chunks, in ticks.
    step: u64,
    accounts: Mutex<HashMap<(Key, Algorithm), Account>>,
    next_lease: AtomicU64,
}

#[derive(Debug)]
enum Account {
    Bucket(LentBucket),
    /// Slots by the leases that hold them.
    Slots(HashMap<u64, u64>),
    Other(AnyAccount),
}

impl<C: Clock> LendingStore<C> {
    /// A store in which nothing was spent.
    pub fn new(clock: C) -> Self {
        Self::in_steps_of(1, clock)
    }

    /// The same with a clock whose steps are of so many ticks.
    pub fn in_steps_of(step: u64, clock: C) -> Self {
        Self { clock, step, accounts: Mutex::default(), next_lease: AtomicU64::new(0) }
    }

    /// Its clock.
    pub fn clock(&self) -> &C {
        &self.clock
    }

    fn now(&self) -> Timestamp {
        let now = self.clock.now().ticks();
        Timestamp::from_ticks(now - now % self.step)
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<(Key, Algorithm), Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self, taken_at: Timestamp) -> Lease {
        Lease::new(self.next_lease.fetch_add(1, Ordering::Relaxed), taken_at)
    }

    fn with<T>(&self, charge: &Charge, act: impl FnOnce(&mut Account, Timestamp) -> T) -> T {
        let now = self.now();
        let mut accounts = self.accounts();
        let account = accounts.entry(name(charge)).or_insert_with(|| Account::new(charge.quota.algorithm()));
        account.advance(now);
        act(account, now)
    }
}

impl Account {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::TokenBucket => Self::Bucket(LentBucket::default()),
            Algorithm::Concurrent => Self::Slots(HashMap::new()),
            other => Self::Other(AnyAccount::new(other)),
        }
    }

    fn advance(&mut self, now: Timestamp) {
        if let Self::Bucket(bucket) = self {
            bucket.advance(now);
        }
    }

    fn standing(&self, now: Timestamp) -> AnyAccount {
        match self {
            Self::Bucket(bucket) => AnyAccount::TokenBucket(bucket.standing(now)),
            Self::Slots(held) => AnyAccount::Concurrent(Slots::held(held.values().sum())),
            Self::Other(account) => account.clone(),
        }
    }

    /// The account as it stands for charges that it denies.
    fn denying<'c>(&self, charges: impl Iterator<Item = &'c Charge>, now: Timestamp) -> AnyAccount {
        let Self::Bucket(bucket) = self else { return self.standing(now) };
        let (mut worth, mut tolerance) = (0_u64, u64::MAX);
        for Charge { quota, cost, .. } in charges.filter(|charge| !charge.cost.is_zero()) {
            tolerance = tolerance.saturating_add(quota.worth(cost.units())).min(quota.tolerance());
            worth = worth.saturating_add(quota.worth(cost.units()));
        }
        let fits = bucket.standing(now);
        let judged = AnyAccount::TokenBucket(fits);
        if worth == 0
            || worth > tolerance
            || judged.idle_at().ticks().max(now.ticks()) + worth <= now.ticks() + tolerance
        {
            return judged;
        }
        AnyAccount::TokenBucket(bucket.denying(worth, tolerance, now))
    }

    fn charge(&mut self, charge: &Charge, lease: Lease) {
        let Charge { quota, cost, .. } = charge;
        match self {
            _ if cost.is_zero() => {}
            Self::Bucket(bucket) => bucket.charge(quota.worth(cost.units()), lease.taken_at),
            Self::Slots(held) => *held.entry(lease.id).or_default() += cost.units(),
            Self::Other(account) => account.charge(quota, *cost, lease.taken_at),
        }
    }

    fn settle(&mut self, quota: &Quota, [estimate, actual]: [Cost; 2], taken_at: Timestamp, now: Timestamp) {
        match self {
            Self::Bucket(bucket) => {
                let (charged, owed) = (quota.worth(estimate.units()), quota.worth(actual.units()));
                if owed > charged {
                    bucket.charge(owed - charged, now);
                } else {
                    bucket.refund(charged - owed);
                }
            }
            Self::Slots(_) => {}
            Self::Other(account) => account.settle(quota, estimate, actual, taken_at, now),
        }
    }
}

impl<C: Clock> Store for LendingStore<C> {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        let now = self.now();
        let lease = self.lease(now);
        let mut accounts = self.accounts();
        for charge in charges {
            let account =
                accounts.entry(name(charge)).or_insert_with(|| Account::new(charge.quota.algorithm()));
            account.advance(now);
        }
        let standing = |charge: &Charge| {
            let of_account = charges.iter().filter(|other| name(other) == name(charge));
            (accounts[&name(charge)].denying(of_account, now), now)
        };
        let verdict = Verdict::of(charges, &Snapshot::new(charges, charges.iter().map(standing)))
            .in_steps_of(self.step);
        if verdict.admits() {
            for charge in charges {
                if let Some(account) = accounts.get_mut(&name(charge)) {
                    account.charge(charge, lease);
                }
            }
        }
        Ok(match charges {
            [] => Decision::Allow(Taken { balances: Balances::new(), lease, at: lease.taken_at }),
            _ => verdict.decision(lease),
        })
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        self.release(charges, lease);
        for (charge, actual) in charges.iter().zip(actual).filter(|(charge, actual)| charge.cost != **actual)
        {
            self.with(charge, |account, now| {
                account.settle(&charge.quota, [charge.cost, *actual], lease.taken_at, now);
            });
        }
        Ok(())
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        for charge in accounts {
            self.with(charge, |account, _| match account {
                Account::Bucket(bucket) => bucket.reset(),
                other => *other = Account::new(charge.quota.algorithm()),
            });
        }
        Ok(())
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        for charge in charges.iter().filter(|charge| charge.quota.algorithm() == Algorithm::Concurrent) {
            self.with(charge, |account, _| {
                if let Account::Slots(held) = account {
                    held.remove(&lease.id);
                }
            });
        }
    }
}

impl<C: Clock> Backend for LendingStore<C> {}

impl<C: Clock> Resilient for LendingStore<C> {
    async fn take_or(
        &self,
        charges: &[Charge],
        _outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken>, StoreError> {
        self.take(charges).await
    }
}

impl<C: Clock> Lender for LendingStore<C> {
    fn lend(
        &self,
        charge: &Charge,
        life: Duration,
    ) -> impl Future<Output = Result<Option<Chunk<Lease>>, StoreError>> + Send + 'static {
        let chunk = self.with(charge, |account, now| {
            let (lease, before) = (self.lease(now), account.standing(now));
            if !before.judge(&charge.quota, charge.cost, now).fits() {
                return None;
            }
            let ends = now + life;
            let ends = match account {
                Account::Bucket(bucket) => {
                    bucket.lend(lease.id, charge.quota.worth(charge.cost.units()), self.step, life, now);
                    ends
                }
                Account::Slots(_) => return None,
                Account::Other(account) => {
                    account.charge(&charge.quota, charge.cost, now);
                    account.window_ends(&charge.quota).map_or(ends, |window| ends.min(window))
                }
            };
            Some(Chunk { lease, lent_at: now, ends, account: before })
        });
        answered(chunk)
    }

    fn give_back(&self, charge: &Charge, lease: Lease, rest: Remainder) {
        let quota = &charge.quota;
        let spent = Cost::new(charge.cost.units().saturating_sub(rest.left.units()));
        let floor = rest.floor.ticks().div_ceil(self.step).saturating_mul(self.step);
        let rest = Remainder { floor: Timestamp::from_ticks(floor), ..rest };
        self.with(charge, |account, now| match account {
            Account::Bucket(bucket) => bucket.take_back(lease.id, quota, charge.cost, rest, now),
            account => account.settle(quota, [charge.cost, spent], lease.taken_at, now),
        });
    }

    fn claim(&self, taken_at: Timestamp) -> Lease {
        self.lease(taken_at)
    }
}

type Answer = Result<Option<Chunk<Lease>>, StoreError>;

fn answered(chunk: Option<Chunk<Lease>>) -> Ready<Answer> {
    ready(Ok(chunk))
}

fn name(charge: &Charge) -> (Key, Algorithm) {
    (charge.key.clone(), charge.quota.algorithm())
}
