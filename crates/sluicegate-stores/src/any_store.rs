//! The store that a policy names.

use sluicegate::{
    Charge, Clock, Cost, Decision, FallbackLease, Lease, LeasedLease, MemoryStore, OutageMode, Resilient,
    Store, StoreError, SystemClock, Taken, Transition,
};
use sluicegate_memcached::{MemcachedStore, MemcachedStoreBuilder};
use sluicegate_policy::{Hidden, StoreKeys, StoreKind, StoreSettings};
use sluicegate_redis::{RedisStore, RedisStoreBuilder};

use crate::{
    Remote, Spender, StoreStatistics,
    remote::{clear, inner, statistics},
};

/// The store that a policy names. A remote one goes on in an outage, and remembers its denials. Quotas in Redis are spent in
/// chunks, if the policy says so.
///
/// Its futures can be awaited on any runtime or none. A remote store has one thread, `sluicegate-store`, that speaks with
/// the server; dropping the store ends it, when what was left to be given back has arrived, or after a second.
///
/// Only memory follows the clock `C`. A store elsewhere tells its own time, and what goes around it the system's.
#[derive(Debug)]
pub enum AnyStore<C = SystemClock> {
    /// This process's memory.
    Memory(MemoryStore<C>),
    /// Redis or Valkey.
    Redis(Box<Spender>),
    /// Memcached.
    Memcached(Box<Remote<MemcachedStore>>),
}

impl AnyStore {
    /// Opens the store. One elsewhere connects in the background; `watch` is told when it stops answering, and when it
    /// answers again: each once, on the thread of a request, so it returns soon.
    ///
    /// # Errors
    ///
    /// When the settings make no sense to the store, a file that they name cannot be read, or the system gives no thread.
    pub fn open(
        settings: &StoreSettings,
        watch: impl Fn(&Transition) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        Self::open_with_clock(settings, SystemClock::new(), watch)
    }

    /// Checks everything that [`open`](Self::open) needs of the settings; nothing is opened.
    ///
    /// # Errors
    ///
    /// When the URL makes no sense to the store, or a file that the settings name cannot be read.
    pub fn understand(settings: &StoreSettings) -> Result<(), StoreError> {
        match settings.url.kind() {
            StoreKind::Memory => Ok(()),
            StoreKind::Redis => redis(settings)?.check(),
            StoreKind::Memcached => memcached(settings).map(drop),
        }
    }
}

impl<C: Clock + Clone> AnyStore<C> {
    /// The same, and memory follows this clock: that of a test, most of the time.
    ///
    /// # Errors
    ///
    /// As [`open`](AnyStore::open).
    pub fn open_with_clock(
        settings: &StoreSettings,
        clock: C,
        watch: impl Fn(&Transition) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        match settings.url.kind() {
            StoreKind::Memory => {
                let memory = MemoryStore::builder().max_keys(settings.max_keys).clock(clock).build();
                Ok(Self::Memory(memory))
            }
            StoreKind::Redis => {
                let builder = redis(settings)?;
                let remote = Remote::open(settings, watch, |runtime| builder.open(runtime))?;
                Ok(Self::Redis(Box::new(Spender::of(remote, settings.chunks))))
            }
            StoreKind::Memcached => {
                let builder = memcached(settings)?;
                let remote = Remote::open(settings, watch, |runtime| builder.open(runtime))?;
                Ok(Self::Memcached(Box::new(remote)))
            }
        }
    }

    /// Asks the store once, for everything that a request needs of it. Takes two seconds or so at most.
    ///
    /// # Errors
    ///
    /// If it cannot. The error is a [misconfiguration](StoreError::is_misconfiguration) if waiting does not help.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(spender) => inner(spender.store.store()).check().await,
            Self::Memcached(remote) => inner(&remote.store).check().await,
        }
    }

    /// Forgets every account, as if each were [reset](Store::reset), and what this process remembers of the store.
    /// Charges that are taken meanwhile may be forgotten or not. Other instances go on denying what they remember as
    /// denied, for five seconds at most.
    ///
    /// # Errors
    ///
    /// When the store does not answer: then some accounts were forgotten, and others not. Always with Memcached, which
    /// cannot tell which accounts it keeps, and then nothing is forgotten.
    pub async fn clear(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => {
                memory.clear();
                Ok(())
            }
            Self::Redis(spender) => {
                spender.store.give_back();
                Box::pin(clear(spender.store.store(), RedisStore::clear)).await
            }
            Self::Memcached(_) => Err(StoreError::misconfigured(
                "memcached cannot list its keys, so not all accounts can be forgotten at once: reset them key by key, or \
                 restart it or send it flush_all by hand, where nobody else keeps anything in it",
            )),
        }
    }

    /// The store's counters and gauges.
    #[must_use]
    pub fn statistics(&self) -> StoreStatistics {
        match self {
            Self::Memory(memory) => StoreStatistics::of_memory(memory),
            Self::Redis(spender) => {
                let counts = inner(spender.store.store()).statistics();
                StoreStatistics {
                    takes: counts.takes,
                    round_trips: counts.round_trips,
                    lost_settlements: counts.lost_settlements,
                    live_leases: counts.live_leases,
                    ..spender.statistics()
                }
            }
            Self::Memcached(remote) => statistics(&remote.store),
        }
    }
}

impl<C: Clock + Clone> Store for AnyStore<C> {
    /// Memory takes all charges itself, so a lease that is only on what stood in for a store, or on chunks, is nothing to it.
    type Lease = LeasedLease<FallbackLease<Lease>>;

    #[inline]
    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken<Self::Lease>>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(taken_here(memory.take_now(charges))),
            // Boxed, so that a request in memory does not carry what one elsewhere needs.
            Self::Redis(spender) => Box::pin(spender.store.take(charges)).await,
            Self::Memcached(remote) => Ok(taken(Box::pin(remote.store.take(charges)).await?)),
        }
    }

    async fn settle(
        &self,
        charges: &[Charge],
        lease: Self::Lease,
        actual: &[Cost],
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => {
                if let Some(lease) = lease.store().and_then(FallbackLease::store) {
                    memory.settle_now(charges, *lease, actual);
                }
                Ok(())
            }
            Self::Redis(spender) => Box::pin(spender.store.settle(charges, lease, actual)).await,
            Self::Memcached(remote) => match lease.into_store() {
                Some(lease) => Box::pin(remote.store.settle(charges, lease, actual)).await,
                None => Ok(()),
            },
        }
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => memory.reset(accounts).await,
            Self::Redis(spender) => Box::pin(spender.store.reset(accounts)).await,
            Self::Memcached(remote) => Box::pin(remote.store.reset(accounts)).await,
        }
    }

    fn release(&self, charges: &[Charge], lease: Self::Lease) {
        match self {
            Self::Memory(memory) => {
                if let Some(lease) = lease.store().and_then(FallbackLease::store) {
                    memory.release(charges, *lease);
                }
            }
            Self::Redis(spender) => spender.store.release(charges, lease),
            Self::Memcached(remote) => {
                if let Some(lease) = lease.into_store() {
                    remote.store.release(charges, lease);
                }
            }
        }
    }
}

impl<C: Clock + Clone> Resilient for AnyStore<C> {
    #[inline]
    async fn take_or(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken<Self::Lease>>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(taken_here(memory.take_now(charges))),
            // Boxed, as in `take`.
            Self::Redis(spender) => Box::pin(spender.store.take_or(charges, outage)).await,
            Self::Memcached(remote) => Ok(taken(Box::pin(remote.store.take_or(charges, outage)).await?)),
        }
    }
}

#[inline]
fn taken_here(decision: Decision<Taken>) -> Decision<Taken<LeasedLease<FallbackLease<Lease>>>> {
    taken(decision.map(|taken| taken.map_lease(FallbackLease::of_store)))
}

/// A decision without chunks.
#[inline]
fn taken<L>(decision: Decision<Taken<L>>) -> Decision<Taken<LeasedLease<L>>> {
    decision.map(|taken| taken.map_lease(LeasedLease::of_store))
}

fn redis(settings: &StoreSettings) -> Result<RedisStoreBuilder, StoreError> {
    let builder = RedisStore::builder(settings.url.reveal())?
        .prefix(&settings.prefix)
        .readable_keys(settings.keys == StoreKeys::Readable)
        .secret(secret(settings))
        .timeout(settings.timeout)
        .lease(settings.lease);
    Ok(match &settings.ca {
        Some(ca) => builder.ca(ca),
        None => builder,
    })
}

fn memcached(settings: &StoreSettings) -> Result<MemcachedStoreBuilder, StoreError> {
    Ok(MemcachedStore::builder(settings.url.reveal())?
        .prefix(&settings.prefix)
        .readable_keys(settings.keys == StoreKeys::Readable)
        .secret(secret(settings))
        .timeout(settings.timeout))
}

fn secret(settings: &StoreSettings) -> &[u8] {
    settings.secret.as_ref().map_or("", Hidden::reveal).as_bytes()
}
