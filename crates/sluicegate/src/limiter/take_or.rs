//! Taking with a mode for outages.

use std::sync::Arc;

use super::Limiter;
use crate::{Charge, Decision, OutageMode, Permit, Resilient, StoreError};

impl<S: Resilient> Limiter<S> {
    /// [`take`](Self::take), with a mode for each charge, by its place among them, for the case that the store is down.
    ///
    /// ```
    /// use sluicegate::{Fallback, Limit, Limiter, MemoryStore, OutageMode, Quota};
    ///
    /// static REQUESTS: Limit = Limit::new("rpm", Quota::per_minute(60));
    /// static SPEND: Limit = Limit::new("spend", Quota::per_day(100));
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::new(Fallback::builder(MemoryStore::new()).build());
    /// let charges = [REQUESTS.charge("alice"), SPEND.charge("alice")];
    /// // Nobody spends while it cannot be counted.
    /// let modes = [OutageMode::Local, OutageMode::Deny];
    /// let decision = limiter.take_or(&charges, |place| modes[place]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store does not answer and one of the charges has [`OutageMode::Deny`].
    pub async fn take_or(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Permit<S>>, StoreError> {
        let decision = self.store.take_or(charges, outage).await?;
        Ok(decision.map(|taken| Permit::new(Arc::clone(&self.store), charges, taken)))
    }
}
