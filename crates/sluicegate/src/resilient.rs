//! A store that continues while its servers are down.

use crate::{Charge, Clock, Decision, MemoryStore, Outage, Store, StoreError, Taken};

/// A store that continues while its servers are down, in the [`Outage`] mode of each charge.
///
/// [`Fallback`](crate::Fallback) is one. So is memory, which is never down. A store behind a network without a fallback is
/// none, so a mode is never given to a store that does not follow it.
pub trait Resilient: Store {
    /// [`take`](Store::take), with a mode for each charge, by its place among them, for the case that its server is down.
    /// The modes are asked for only then. In that case a charge of mode [`Outage::Deny`] makes the answer an error.
    fn take_or(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> Outage + Send + Sync,
    ) -> impl Future<Output = Result<Decision<Taken<Self::Lease>>, StoreError>> + Send;
}

/// Is never down, so no mode matters.
impl<C: Clock> Resilient for MemoryStore<C> {
    #[inline]
    async fn take_or(
        &self,
        charges: &[Charge],
        _outage: impl Fn(usize) -> Outage + Send + Sync,
    ) -> Result<Decision<Taken>, StoreError> {
        self.take(charges).await
    }
}
