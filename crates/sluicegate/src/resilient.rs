//! A store that continues while its servers are down.

use crate::{Charge, Clock, Decision, MemoryStore, OutageMode, Store, StoreError, Taken};

/// A store that continues while its servers are down, in the [`OutageMode`] of each charge.
///
/// [`Fallback`](crate::Fallback) is one. So is memory, which is never down. A store behind a network without a fallback is
/// none, so a mode is never given to a store that does not follow it.
pub trait Resilient: Store {
    /// [`take`](Store::take), with a mode for each charge, by its place among them, for the case that its server is down.
    /// The modes are asked for only then. In that case a charge with [`OutageMode::Deny`] makes the answer an error.
    fn take_or(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> impl Future<Output = Result<Decision<Taken<Self::Lease>>, StoreError>> + Send;
}

/// Is never down, so no mode matters.
impl<C: Clock> Resilient for MemoryStore<C> {
    #[inline]
    async fn take_or(
        &self,
        charges: &[Charge],
        _outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken>, StoreError> {
        self.take(charges).await
    }
}
