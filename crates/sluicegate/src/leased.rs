//! Spending quotas in chunks.

mod builder;
mod counters;
mod heat;
mod held;
mod holding;
mod lease;
mod places;
mod settings;
mod spender;
mod table;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

pub use builder::LeasedBuilder;
use counters::Counters;
pub use counters::LeasedStatistics;
use heat::Heat;
use holding::Desk;
use lease::Claim;
pub use lease::LeasedLease;
use settings::Settings;
use table::Table;

use crate::{
    Charge, Clock, Cost, Decision, Lender, OutageMode, Resilient, Store, StoreError, SystemClock, Taken,
    Timestamp,
};

/// A store that takes chunks of its quotas from the one behind it, and spends them without a call.
///
/// A key that is asked often gets a chunk: some units of its quota, charged to the account in one call. Requests spend it
/// in memory, and the next chunk is asked for before they run out. A request that chunks do not cover is decided by the
/// store, as are slots, logs, small quotas and keys that are asked rarely.
///
/// # What holds
///
/// All instances together never admit more than the quota does, in any time: the store [counts](Lender) what is out.
/// The price is that an instance may be denied what another one holds: at most the [share](LeasedBuilder::share) of each.
/// What an instance does not use it gives back after a quarter of a chunk's [life](LeasedBuilder::life), when a request
/// costs more than is left, and when it is dropped. A crash costs what was left, which ends with the chunk.
///
/// If the store is down, a chunk is spent until its end. Settlements go to the store, as do resets.
///
/// # What is told
///
/// The balance of what a chunk pays is the account's when the chunk was lent, less what this instance spent since.
pub struct Leased<S: Lender + Resilient, C: Clock = SystemClock> {
    store: S,
    settings: Settings,
    clock: C,
    table: Table<S::Lease>,
    heat: Heat,
    counters: Counters,
    /// The time of the next look for chunks that are not used, in ticks.
    next_tidy: AtomicU64,
}

impl<S: Lender + Resilient> Leased<S> {
    /// A store to be set up, which takes its chunks from this one.
    pub fn builder(store: S) -> LeasedBuilder<S> {
        LeasedBuilder::new(store)
    }
}

impl<S: Lender + Resilient, C: Clock> Leased<S, C> {
    /// The store behind it.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Returns the statistics so far.
    pub fn statistics(&self) -> LeasedStatistics {
        self.table.add_to(self.counters.statistics(), self.clock.now())
    }

    /// Gives back what was not used for a while. Requests do so in passing; somebody has to, where none come.
    pub fn tidy(&self) {
        let desk = self.desk();
        let idle = desk.settings.life / IDLE;
        self.table.sweep(|holding| holding.is_done(idle, &desk));
    }

    /// Gives back every chunk.
    pub fn give_back(&self) {
        let desk = self.desk();
        self.table.sweep(|holding| {
            holding.give_back(&desk);
            holding.is_empty()
        });
    }

    /// Tells the holdings of a settlement that goes to the store.
    fn correct(&self, charges: &[Charge], actual: &[Cost], taken_at: Option<Timestamp>) {
        if self.settings.share == 0 {
            return;
        }
        let desk = self.desk();
        for (charge, actual) in charges.iter().zip(actual).filter(|(charge, actual)| charge.cost != **actual)
        {
            let account = self.table.account(charge);
            self.table.with(account, |holding| holding.settle(charge, *actual, taken_at, &desk));
        }
    }

    fn desk(&self) -> Desk<'_, S> {
        Desk { store: &self.store, settings: &self.settings, counters: &self.counters, now: self.clock.now() }
    }

    fn tidy_if_due(&self, desk: &Desk<'_, S>) {
        let due = self.next_tidy.load(Relaxed);
        if desk.now.ticks() >= due {
            let next = (desk.now + self.settings.life / IDLE).ticks();
            if self.next_tidy.compare_exchange(due, next, Relaxed, Relaxed).is_ok() {
                self.tidy();
            }
        }
    }
}

impl<S: Lender + Resilient, C: Clock> Store for Leased<S, C> {
    type Lease = LeasedLease<S::Lease>;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken<Self::Lease>>, StoreError> {
        self.decide(charges, None::<fn(usize) -> OutageMode>).await
    }

    /// Settles in the store: a chunk that paid an estimate is mostly gone by then.
    async fn settle(
        &self,
        charges: &[Charge],
        lease: Self::Lease,
        actual: &[Cost],
    ) -> Result<(), StoreError> {
        match lease.0 {
            Claim::Store(lease) => {
                self.correct(charges, actual, None);
                self.store.settle(charges, lease, actual).await
            }
            Claim::Chunks(paid) => {
                let (charged, used) = (paid.of_chunks(charges), paid.of_chunks(actual));
                self.correct(&charged, &used, Some(paid.at));
                let differs = |(charge, actual): (&Charge, &Cost)| charge.cost != *actual;
                let mut settled = Ok(());
                if charged.iter().zip(&used).any(differs) {
                    settled = self.store.settle(&charged, paid.chunks.clone(), &used).await;
                }
                if let Some(lease) = paid.store.clone() {
                    let (charged, used) = (paid.of_store(charges), paid.of_store(actual));
                    self.correct(&charged, &used, None);
                    settled = self.store.settle(&charged, lease, &used).await.and(settled);
                }
                settled
            }
        }
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        let desk = self.desk();
        for charge in accounts {
            self.table.with(self.table.account(charge), |holding| holding.give_back(&desk));
        }
        self.store.reset(accounts).await
    }

    fn release(&self, charges: &[Charge], lease: Self::Lease) {
        match lease.0 {
            Claim::Store(lease) => self.store.release(charges, lease),
            Claim::Chunks(paid) => {
                if let Some(lease) = paid.store.clone() {
                    self.store.release(&paid.of_store(charges), lease);
                }
            }
        }
    }
}

impl<S: Lender + Resilient, C: Clock> Resilient for Leased<S, C> {
    async fn take_or(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken<Self::Lease>>, StoreError> {
        self.decide(charges, Some(outage)).await
    }
}

impl<S: Lender + Resilient, C: Clock> Drop for Leased<S, C> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<S: Lender + Resilient + fmt::Debug, C: Clock> fmt::Debug for Leased<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased").field("store", &self.store).finish_non_exhaustive()
    }
}

/// A chunk is not used if no request spends of it in one of so many parts of its life.
const IDLE: u32 = 4;
