//! Decides for requests.

mod refund;
mod take_or;
mod until_ready;

use std::{fmt, slice::from_ref, sync::Arc};

use crate::{
    Charge, Clock, Decision, KeyParts, Limit, MemoryStore, Permit, Store, StoreError, queues::Queues,
};

/// Decides for requests, on the balances of one store. Its clones share the store and the line of those who [wait](Self::until_ready).
///
/// ```
/// use sluicegate::{Charge, Cost, Decision, Limiter, MemoryStore, Quota};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # block_on(async {
/// let limiter = Limiter::new(MemoryStore::new());
/// let requests: Quota = "60/minute".parse()?;
/// let tokens: Quota = "100000 tokens/minute".parse()?;
///
/// let charges = [Charge::new("rpm|alice", requests), Charge::new("tpm|alice", tokens).cost(812)];
/// match limiter.take(&charges).await? {
///     // Both were charged. The model answered with fewer tokens than were expected:
///     Decision::Allow(permit) => permit.settle(&[Cost::ONE, Cost::new(530)]).await?,
///     // Neither was charged.
///     Decision::Deny(denial) => println!("come back in {:?}", denial.retry_after()),
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
pub struct Limiter<S> {
    store: Arc<S>,
    /// The callers that wait, in the same queues for all clones.
    queues: Arc<Queues>,
}

impl<S: Store> Limiter<S> {
    /// A limiter on this store, which may be shared already.
    pub fn new(store: impl Into<Arc<S>>) -> Self {
        Self { store: store.into(), queues: Arc::default() }
    }

    /// Takes one unit of one limit from the account of one caller. For several limits or another cost, [`take`](Self::take)
    /// what [`Limit::charge`] returns.
    ///
    /// ```
    /// use sluicegate::{Decision, Limit, Limiter, MemoryStore, Quota};
    ///
    /// static REQUESTS: Limit = Limit::new("requests", Quota::per_minute(10));
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::new(MemoryStore::new());
    /// match limiter.check("alice", &REQUESTS).await? {
    ///     Decision::Allow(permit) => println!("{} left", permit.balances()[0].remaining),
    ///     Decision::Deny(denial) => println!("come back in {:?}", denial.retry_after()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the store does not respond. Then it is unknown whether the unit was taken.
    pub async fn check(
        &self,
        caller: impl KeyParts,
        limit: &Limit,
    ) -> Result<Decision<Permit<S>>, StoreError> {
        let charge = limit.charge(caller);
        self.take(from_ref(&charge)).await
    }

    /// Takes every charge, or takes none and names the one that was denied.
    ///
    /// # Errors
    ///
    /// If the store does not respond. Then it is unknown whether the charges were taken.
    pub async fn take(&self, charges: &[Charge]) -> Result<Decision<Permit<S>>, StoreError> {
        let decision = self.store.take(charges).await?;
        Ok(decision.map(|taken| Permit::new(Arc::clone(&self.store), charges, taken)))
    }

    /// Forgets what was spent on each of these accounts, whatever the charges cost; the next charge finds it as never
    /// used. What permits that were given before may still change is in [`Store::reset`].
    ///
    /// ```
    /// use sluicegate::{Charge, Limiter, MemoryStore, Quota};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::new(MemoryStore::new());
    /// let quota: Quota = "1/day".parse()?;
    /// let charges = [Charge::new("alice", quota)];
    /// assert!(limiter.take(&charges).await?.denial().is_none());
    /// assert!(limiter.take(&charges).await?.denial().is_some());
    /// limiter.reset(&charges).await?;
    /// assert!(limiter.take(&charges).await?.denial().is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the store does not respond. Then it is unknown which accounts were forgotten.
    pub async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.store.reset(accounts).await
    }

    /// The store of the balances.
    #[must_use]
    pub fn store(&self) -> &Arc<S> {
        &self.store
    }
}

impl<C: Clock> Limiter<MemoryStore<C>> {
    /// [`check`](Self::check) without a future, for memory never waits.
    ///
    /// ```
    /// use sluicegate::{Limit, Limiter, MemoryStore, Quota};
    ///
    /// static ATTEMPTS: Limit = Limit::new("login", Quota::per_hour(1));
    ///
    /// let limiter = Limiter::new(MemoryStore::new());
    /// assert!(limiter.check_now("alice", &ATTEMPTS).denial().is_none());
    /// assert!(limiter.check_now("alice", &ATTEMPTS).denial().is_some());
    /// assert!(limiter.check_now("bob", &ATTEMPTS).denial().is_none());
    /// ```
    pub fn check_now(&self, caller: impl KeyParts, limit: &Limit) -> Decision<Permit<MemoryStore<C>>> {
        self.take_now(from_ref(&limit.charge(caller)))
    }

    /// Takes every charge, or none: [`take`](Self::take) without a future, for memory never waits.
    pub fn take_now(&self, charges: &[Charge]) -> Decision<Permit<MemoryStore<C>>> {
        self.store.take_now(charges).map(|taken| Permit::new(Arc::clone(&self.store), charges, taken))
    }
}

impl<S> Clone for Limiter<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), queues: Arc::clone(&self.queues) }
    }
}

impl<S: fmt::Debug> fmt::Debug for Limiter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("store", &self.store).finish_non_exhaustive()
    }
}
