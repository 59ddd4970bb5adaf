//! Waiting for a limit instead of being denied.

use std::time::Duration;

use super::Limiter;
use crate::{Charge, Decision, Permit, Store, StoreError, Wait};

impl<S: Store> Limiter<S> {
    /// Waits until every charge can be taken, and takes them. `sleep` waits for a time: `tokio::time::sleep`, or that of
    /// another runtime.
    ///
    /// ```
    /// use sluicegate::{Decision, Limit, Limiter, MemoryStore, Quota};
    ///
    /// static EMBEDDINGS: Limit = Limit::new("embeddings", Quota::per_second(20));
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::new(MemoryStore::new());
    /// for batch in [20, 1] {
    ///     let charges = [EMBEDDINGS.charge("alice").cost(batch)];
    ///     match limiter.until_ready(&charges, tokio::time::sleep).await? {
    ///         Decision::Allow(_permit) => println!("send a batch of {batch}"),
    ///         Decision::Deny(_) => println!("a batch of {batch} is more than the limit ever holds"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The decision is a denial only if the charges can [never](Wait::Forever) fit. One that costs more than its quota ever
    /// holds does not stand in line for it.
    ///
    /// # Order
    ///
    /// Callers that wait on one limiter, or on its clones, are served in the order in which they came. A request of a
    /// large cost is not overtaken by smaller ones that came later, and a request that waits for several accounts keeps
    /// its place in the line of each. Callers of [`take`](Self::take) and [`check`](Self::check), and of other instances,
    /// do not stand in line: what they spend meanwhile makes the first in line wait again.
    ///
    /// # Bounds
    ///
    /// * The store is asked only for the first in line of an account: once when its turn comes, and once after each sleep.
    /// * A sleep is as long as the denial says. A slot of a [concurrent](crate::Quota::concurrent) limit comes back at no
    ///   known time, so the store is asked again after 10 ms, and then ever more rarely, up to every 100 ms.
    /// * The wait has no limit of its own, for others may go on spending. Put one around it, as `tokio::time::timeout`.
    /// * Each waiter takes memory for its keys. The limiter does not bound their number.
    ///
    /// Dropping the future leaves the queue and charges nothing, unless a call of the store was in flight. Then, as with
    /// [`take`](Self::take), it is unknown whether the charges were taken.
    ///
    /// # Errors
    ///
    /// If the store does not respond. Then it is unknown whether the charges were taken.
    pub async fn until_ready<F>(
        &self,
        charges: &[Charge],
        sleep: impl Fn(Duration) -> F,
    ) -> Result<Decision<Permit<S>>, StoreError>
    where
        F: Future<Output = ()>,
    {
        if charges.iter().any(|charge| !charge.quota.can_hold(charge.cost)) {
            return self.take(charges).await;
        }
        let waiter = self.queues.join(charges);
        waiter.first().await;
        let mut next_look = FIRST_LOOK;
        loop {
            let decision = self.take(charges).await?;
            let wait = match decision.denial().map(|denial| denial.wait) {
                None | Some(Wait::Forever) => return Ok(decision),
                Some(Wait::For(wait)) => wait,
                Some(Wait::Release | Wait::None) => {
                    let wait = next_look;
                    next_look = (2 * wait).min(RAREST_LOOK);
                    wait
                }
            };
            sleep(wait).await;
        }
    }
}

/// Until the store is asked again for a slot, at first.
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// The longest time between two looks for a slot.
const RAREST_LOOK: Duration = Duration::from_millis(100);
