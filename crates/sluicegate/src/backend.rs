//! A store as its decorators see it.

use crate::{Charge, Clock, Decision, Lease, MemoryStore, ServerId, Store, StoreError, Taken};

/// A store with others around it: [`DenyCache`](crate::DenyCache) and [`Fallback`](crate::Fallback) ask it more than a
/// caller does.
///
/// A store of one server implements it without a method:
///
/// ```
/// use sluicegate::{Backend, Charge, Cost, Decision, Fallback, Lease, MemoryStore, Store, StoreError, Taken};
///
/// struct Table(MemoryStore);
///
/// impl Store for Table {
///     type Lease = Lease;
///
///     async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
///         self.0.take(charges).await
///     }
///
///     async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
///         self.0.settle(charges, lease, actual).await
///     }
///
///     async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
///         self.0.reset(accounts).await
///     }
///
///     fn release(&self, charges: &[Charge], lease: Lease) {
///         self.0.release(charges, lease);
///     }
/// }
///
/// impl Backend for Table {}
///
/// let store = Fallback::builder(Table(MemoryStore::new())).build();
/// assert!(store.is_up());
/// ```
pub trait Backend: Store {
    /// [`take`](Store::take), and the origin of the decision.
    fn take_with_origin(
        &self,
        charges: &[Charge],
    ) -> impl Future<Output = Result<Decided<Self::Lease>, StoreError>> + Send {
        async { Ok(Decided { decision: self.take(charges).await?, origin: Origin::Server }) }
    }

    /// Returns the server that keeps this charge's account, as far as the store knows now. A store of one server returns
    /// [`ServerId::ONLY`].
    fn server(&self, _charge: &Charge) -> ServerId {
        ServerId::ONLY
    }

    /// Returns the servers that keep accounts now, with their addresses. A server that has lost its accounts to others is
    /// not among them. Empty if the store is this process itself.
    fn servers(&self) -> Vec<(ServerId, String)> {
        Vec::new()
    }
}

/// For tests and examples of what goes around a store.
impl<C: Clock> Backend for MemoryStore<C> {}

/// A decision with its origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decided<L = Lease> {
    /// The decision.
    pub decision: Decision<Taken<L>>,
    /// Its origin.
    pub origin: Origin,
}

/// The origin of a decision.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Origin {
    /// The servers that keep the accounts.
    Server,
    /// An earlier denial that still holds. No server was asked.
    Cache,
}
