//! Going on when a store does not answer.

mod breaker;
mod builder;
mod counters;
mod probe;
mod shares;
mod stand_in;
mod transition;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use breaker::{Breaker, Passage};
pub use builder::FallbackBuilder;
use counters::Counters;
use stand_in::StandIn;
pub use transition::Transition;

use crate::{
    Charge, Clock, Cost, Decision, Denial, Lease, MemoryStore, Outage, Store, StoreError, SystemClock, Taken,
};

/// A store that goes on when the one behind it does not answer.
///
/// The store behind it bounds the time of its own calls and answers late ones with an error. A call that fails is
/// answered by its charges' [`Outage`]; after five failures in a row, or more than ten of the last twenty calls, the
/// store is taken for down: it is not asked any more, so that an outage costs no caller any time, but for one request
/// that probes it 250 to 500 ms later, and every 500 ms to 1 s from then on. One good answer, and it is asked again.
///
/// ```
/// use sluicegate::{Charge, Fallback, MemoryStore, Outage, Quota, Transition};
/// use std::num::NonZeroU32;
///
/// let store = Fallback::builder(MemoryStore::new())
///     .replicas(NonZeroU32::new(4).ok_or("four is not zero")?)
///     .watch(|transition| match transition {
///         Transition::Down { error } => eprintln!("the store does not answer: {error}"),
///         Transition::Up { after } => eprintln!("the store answers again after {after:?}"),
///     })
///     .build();
/// assert!(store.is_up());
///
/// // In an outage this instance lets 25 of these pass in a minute, whatever tokens they take.
/// let requests: Quota = "100/minute".parse()?;
/// let tokens: Quota = "100000 tokens/minute".parse()?;
/// let charges = [Charge::new("rpm|alice", requests), Charge::new("tpm|alice", tokens).outage(Outage::Allow)];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In an outage
///
/// If any of a request's charges is [`Outage::Deny`], it gets the store's error. Else its [`Outage::Local`] charges are
/// taken, all or none, from memory that holds this instance's share of their quotas, and its [`Outage::Allow`] charges
/// are not taken anywhere and told as a full account. The lease says that it is [local](Lease::local), and what is done
/// with it later is done there.
///
/// All instances together admit no more than the quota does, where it has a unit for each of them. A request that
/// costs more than a share, and not more than the whole quota, passes when nothing of the share is spent; what it
/// costs beyond the share is a debt. So in any time Δ an account of burst `B` and rate `r` admits at most `B + r·Δ`,
/// and what the costs of each instance's largest request are beyond its share.
///
/// What memory took is forgotten when the store answers again, and was empty when it went down: each such edge lets
/// through one more burst at most. A store that fails now and then, too seldom to be taken for down, admits beside the
/// memory: together at most twice the quota. A call that fails may have been charged, and is charged in memory too. A
/// settlement of what memory took and has forgotten since is lost; that of what the store took goes to the store.
#[derive(Debug)]
pub struct Fallback<S, C = SystemClock> {
    store: S,
    breaker: Breaker<C>,
    stand_in: StandIn<C>,
    counters: Counters,
}

impl<S: Store> Fallback<S> {
    /// A fallback for this store, to be set up.
    pub fn builder(store: S) -> FallbackBuilder<S> {
        FallbackBuilder::new(store)
    }
}

impl<S, C: Clock> Fallback<S, C> {
    /// The store behind it.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The memory that stands in for it; another one after each outage.
    pub fn local(&self) -> Arc<MemoryStore<C>> {
        self.stand_in.store()
    }

    /// Whether the store is asked.
    pub fn is_up(&self) -> bool {
        self.breaker.is_closed()
    }

    /// How many calls of the store failed.
    pub fn errors(&self) -> u64 {
        self.counters.errors.load(Relaxed)
    }

    /// How many times the store went down.
    pub fn outages(&self) -> u64 {
        self.counters.outages.load(Relaxed)
    }

    /// How many requests were decided by memory.
    pub fn decided_locally(&self) -> u64 {
        self.counters.answered(Outage::Local)
    }

    /// How many requests passed because all of their charges are [`Outage::Allow`].
    pub fn allowed(&self) -> u64 {
        self.counters.answered(Outage::Allow)
    }

    /// How many requests got an error because one of their charges is [`Outage::Deny`].
    pub fn refused(&self) -> u64 {
        self.counters.answered(Outage::Deny)
    }

    /// Answers a request by the outage policy of its charges.
    fn go_on(
        &self,
        charges: &[Charge],
        error: impl FnOnce() -> StoreError,
    ) -> Result<Decision<Taken>, StoreError> {
        let any = |outage| charges.iter().any(|charge| charge.outage == outage);
        let outage = [Outage::Deny, Outage::Local].into_iter().find(|outage| any(*outage));
        let outage = outage.unwrap_or(Outage::Allow);
        self.counters.count(outage);
        match outage {
            Outage::Deny => Err(error()),
            Outage::Local | Outage::Allow => Ok(self.stand_in.take(charges)),
        }
    }

    fn failed(&self, error: &StoreError) {
        self.counters.errors.fetch_add(1, Relaxed);
        if self.breaker.failed(error) {
            self.counters.outages.fetch_add(1, Relaxed);
        }
    }
}

impl<S: Store, C: Clock + Clone> Store for Fallback<S, C> {
    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        // Only what the store itself says shows that it answers.
        let asked = |decision: &Decision<Taken>| !decision.denial().is_some_and(is_remembered);
        match self.breaker.passage() {
            Passage::Closed => match self.store.take(charges).await {
                Ok(decision) => {
                    if asked(&decision) {
                        self.breaker.succeeded();
                    }
                    Ok(decision)
                }
                Err(error) => {
                    self.failed(&error);
                    self.go_on(charges, || error)
                }
            },
            Passage::Probe(probe) => match self.store.take(charges).await {
                Ok(decision) => {
                    if asked(&decision) {
                        probe.succeeded();
                        self.stand_in.forget();
                    } else {
                        probe.unused();
                    }
                    Ok(decision)
                }
                Err(error) => {
                    self.counters.errors.fetch_add(1, Relaxed);
                    probe.failed(&error);
                    self.go_on(charges, || error)
                }
            },
            Passage::Open => self.go_on(charges, || self.breaker.error()),
        }
    }

    /// Settles where the charges were taken, in an outage, too: no decision waits for it, and a store may carry it
    /// later. That it is accepted says nothing of whether the store answers.
    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        if lease.local {
            self.stand_in.settle(charges, lease, actual);
            return Ok(());
        }
        let settled = self.store.settle(charges, lease, actual).await;
        if let Err(error) = &settled {
            self.failed(error);
        }
        settled
    }

    /// Forgets the accounts in memory, whether the store answers or not, and asks the store as a take would.
    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.stand_in.reset(accounts);
        match self.breaker.passage() {
            Passage::Closed => {
                let reset = self.store.reset(accounts).await;
                match &reset {
                    Ok(()) => self.breaker.succeeded(),
                    Err(error) => self.failed(error),
                }
                reset
            }
            Passage::Probe(probe) => {
                let reset = self.store.reset(accounts).await;
                match &reset {
                    Ok(()) => {
                        probe.succeeded();
                        self.stand_in.forget();
                    }
                    Err(error) => {
                        self.counters.errors.fetch_add(1, Relaxed);
                        probe.failed(error);
                    }
                }
                reset
            }
            Passage::Open => Err(self.breaker.error()),
        }
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        match lease.local {
            true => self.stand_in.release(charges, lease),
            // Even in an outage: it costs the caller no time, and the slots come back when the store does.
            false => self.store.release(charges, lease),
        }
    }
}

fn is_remembered(denial: &Denial) -> bool {
    denial.remembered
}
