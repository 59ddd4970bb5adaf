//! Lending what the store behind a fallback lends.

use std::time::Duration;

use futures_util::future::{Either, ready};

use super::{Fallback, lease::Claim};
use crate::{Backend, Charge, Chunk, Clock, FallbackLease, Lender, Remainder, StoreError, Timestamp};

impl<S: Lender + Backend, C: Clock + Clone> Lender for Fallback<S, C> {
    /// Lends nothing while the server is down: a share of the quota is decided here anyway.
    fn lend(
        &self,
        charge: &Charge,
        life: Duration,
    ) -> impl Future<Output = Result<Option<Chunk<Self::Lease>>, StoreError>> + Send + 'static {
        if !self.breakers.of(self.store.server(charge)).is_closed() {
            return Either::Left(ready(Ok(None)));
        }
        let lent = self.store.lend(charge, life);
        Either::Right(async move {
            let chunk = lent.await?;
            Ok(chunk.map(|Chunk { lease, lent_at, ends, account }| {
                let lease = FallbackLease::of_store(lease);
                Chunk { lease, lent_at, ends, account }
            }))
        })
    }

    fn give_back(&self, charge: &Charge, lease: Self::Lease, rest: Remainder) {
        // To the store even in an outage, as slots are: what it lent is not in memory.
        if let Claim::Store(lease) = lease.0 {
            self.store.give_back(charge, lease, rest);
        }
    }

    fn claim(&self, taken_at: Timestamp) -> Self::Lease {
        FallbackLease::of_store(self.store.claim(taken_at))
    }
}
