//! Giving back what requests have spent whose permits are gone.

use smallvec::SmallVec;

use super::Limiter;
use crate::{Charge, Cost, Decision, OutageMode, Resilient, StoreError};

impl<S: Resilient> Limiter<S> {
    /// Gives back to each account the cost of its charge, which an earlier request has spent, and pays off debts with it. An
    /// account gets no more than what was spent on it: a token bucket is full at most, and a window gives back only what it has
    /// counted since it began. A sliding log gives nothing back, because it knows each charge by its time.
    ///
    /// Settle the request's [`Permit`](crate::Permit) instead where you have it: that is exact. `outage` has the mode of each
    /// charge, by its place, for the case that the store is down.
    ///
    /// ```
    /// use sluicegate::{Charge, Cost, Limiter, MemoryStore, OutageMode, Quota};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::new(MemoryStore::new());
    /// let quota: Quota = "100 tokens/day".parse()?;
    /// let charges = [Charge::new("alice", quota).cost(80)];
    /// assert!(limiter.take(&charges).await?.denial().is_none());
    /// // Some other process learns that only 30 tokens were used.
    /// let unused = [Charge::new("alice", quota).cost(50)];
    /// limiter.refund(&unused, |_| OutageMode::Local).await?;
    /// let peek = [Charge::new("alice", quota).cost(Cost::ZERO)];
    /// let permit = limiter.take(&peek).await?.allowed().ok_or("a peek is never denied")?;
    /// assert_eq!(permit.balances()[0].remaining, 70);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the store does not respond and one of the charges has [`OutageMode::Deny`], or if it does not respond to the refund
    /// itself. Then it is unknown whether anything was given back.
    pub async fn refund(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<(), StoreError> {
        // A peek finds out who keeps the accounts now, and their time.
        let peeks: SmallVec<[Charge; 4]> =
            charges.iter().map(|charge| charge.clone().cost(Cost::ZERO)).collect();
        let Decision::Allow(taken) = self.store().take_or(&peeks, outage).await? else { return Ok(()) };
        let nothing: SmallVec<[Cost; 4]> = charges.iter().map(|_| Cost::ZERO).collect();
        self.store().settle(charges, taken.lease, &nothing).await
    }
}
