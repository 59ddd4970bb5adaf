//! Denials that are remembered.

mod builder;
mod epochs;
mod hashed_charges;
mod lender;
mod remembered;
mod table;

use std::fmt;

pub use builder::DenyCacheBuilder;
use epochs::Epochs;
use hashed_charges::HashedCharges;
use remembered::{Caps, Remembered};
use table::Table;

use crate::{
    Backend, Charge, Clock, Cost, Decided, Decision, Origin, ServerId, Store, StoreError, SystemClock, Taken,
    fingerprint::Secret,
};

/// A store that remembers its denials for as long as they hold, so that a key which is over its limit costs the store
/// behind it nothing, however often it asks.
///
/// ```
/// use sluicegate::{Charge, DenyCache, Limiter, MemoryStore, Quota};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # block_on(async {
/// let limiter = Limiter::new(DenyCache::builder(MemoryStore::new()).max_keys(10_000).build());
/// let quota: Quota = "1/minute".parse()?;
/// let charges = [Charge::new("alice", quota)];
/// assert!(limiter.take(&charges).await?.denial().is_none());
/// // The store denies once; the cache, for the rest of the minute.
/// for remembered in [0, 1, 2] {
///     assert!(limiter.take(&charges).await?.denial().is_some());
///     assert_eq!(limiter.store().hits(), remembered);
/// }
/// # Ok(())
/// # })
/// # }
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #     match std::pin::pin!(future).poll(&mut context) {
/// #         std::task::Poll::Ready(value) => value,
/// #         std::task::Poll::Pending => unreachable!("memory never waits"),
/// #     }
/// # }
/// ```
///
/// # What holds
///
/// A denial with a wait holds until the wait is over, counted from before the store was asked: others who spend
/// meanwhile only make it longer. A denial by a concurrent limit is not remembered, for a slot may come back at any
/// time. And because refunds make it shorter, a denial by [tokens](crate::Unit::Tokens) or [money](crate::Unit::Usd),
/// whose charges are settled, is remembered no longer than the [refund cap](DenyCacheBuilder::refund_cap): a refund
/// that went through another instance is seen so late. What never fits is remembered for a second. A store that takes
/// charges and gives them back is to be [capped](DenyCacheBuilder::cap) whatever the unit.
///
/// It answers requests with the same keys and quotas. The denying charge costs the same, or more where that is a token
/// bucket; the others cost the same, or no more than what remained. Whatever goes through this cache and changes the
/// denying account, a charge, a settlement or a reset, ends it.
///
/// # What is told
///
/// The denying charge's wait and times are exact, to a nanosecond where it costs more than what was denied; what
/// [remains](crate::Balance::remaining) of it is at least what is told. All other charges are told as they were when
/// the store denied, but for the time that passed. Who gives a key its quota back in the store itself, or
/// [resets](Store::reset) it through another instance, has to [`clear`](Self::clear) this one, or to wait for its
/// [cap](DenyCacheBuilder::cap).
///
/// # Memory
///
/// A fixed number of denials, of requests of up to eight charges: some 200 bytes each, and 140 more for each charge
/// after the first. Of those that may be kept in the same place, the one that ends soonest makes room.
pub struct DenyCache<S, C = SystemClock> {
    store: S,
    table: Table,
    epochs: Epochs,
    secret: Secret,
    caps: Caps,
    clock: C,
}

impl<S: Backend> DenyCache<S> {
    /// A cache before this store, to be set up.
    pub fn builder(store: S) -> DenyCacheBuilder<S> {
        DenyCacheBuilder::new(store)
    }
}

impl<S, C> DenyCache<S, C> {
    /// The store behind it.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The number of denials served from memory.
    pub fn hits(&self) -> u64 {
        self.table.hits()
    }

    /// Forgets every denial.
    pub fn clear(&self) {
        self.epochs.end_all();
    }
}

impl<S: Backend, C: Clock> Store for DenyCache<S, C> {
    type Lease = S::Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken<S::Lease>>, StoreError> {
        Ok(self.take_with_origin(charges).await?.decision)
    }

    async fn settle(&self, charges: &[Charge], lease: S::Lease, actual: &[Cost]) -> Result<(), StoreError> {
        if !self.table.has_room() {
            return self.store.settle(charges, lease, actual).await;
        }
        // Afterwards, for until then the store may deny as before; and also when nobody waits for the end.
        let _afterwards = Afterwards(|| {
            let changes =
                |index, charge: &Charge| actual.get(index).is_some_and(|actual| *actual != charge.cost);
            HashedCharges::of(charges, &self.secret, &self.epochs).end_epochs(&self.epochs, changes);
        });
        self.store.settle(charges, lease, actual).await
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        if !self.table.has_room() {
            return self.store.reset(accounts).await;
        }
        // As after a settlement; and after an error too, for nobody knows which accounts were forgotten.
        let _afterwards = Afterwards(|| {
            HashedCharges::of(accounts, &self.secret, &self.epochs).end_epochs(&self.epochs, |_, _| true);
        });
        self.store.reset(accounts).await
    }

    fn release(&self, charges: &[Charge], lease: S::Lease) {
        self.store.release(charges, lease);
    }
}

impl<S: Backend, C: Clock> Backend for DenyCache<S, C> {
    async fn take_with_origin(&self, charges: &[Charge]) -> Result<Decided<S::Lease>, StoreError> {
        if !self.table.has_room() {
            return self.store.take_with_origin(charges).await;
        }
        // Before the store is asked: what is counted from here ends too early, never too late.
        let sent = self.clock.now();
        let hashed = HashedCharges::of(charges, &self.secret, &self.epochs);
        if let Some(denial) = self.table.find(&hashed, sent) {
            return Ok(Decided { decision: Decision::Deny(denial), origin: Origin::Cache });
        }
        let decided = self.store.take_with_origin(charges).await;
        match &decided {
            Ok(Decided { decision: Decision::Deny(denial), origin: Origin::Server }) => {
                if let Some(remembered) = Remembered::of(&hashed, denial, sent, self.caps) {
                    self.table.keep(remembered);
                }
            }
            // Another cache remembers it, and knows for how long.
            Ok(Decided { decision: Decision::Deny(_), origin: Origin::Cache }) => {}
            // What failed may have been charged.
            Ok(Decided { decision: Decision::Allow(_), .. }) | Err(_) => {
                hashed.end_epochs(&self.epochs, |_, charge| !charge.cost.is_zero());
            }
        }
        decided
    }

    fn server(&self, charge: &Charge) -> ServerId {
        self.store.server(charge)
    }

    fn servers(&self) -> Vec<(ServerId, String)> {
        self.store.servers()
    }
}

impl<S: fmt::Debug, C> fmt::Debug for DenyCache<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyCache").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Does something when it is dropped.
struct Afterwards<F: Fn()>(F);

impl<F: Fn()> Drop for Afterwards<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
