//! Taking the charges of a request.

use std::sync::{
    MutexGuard,
    atomic::{AtomicU64, Ordering},
};

use smallvec::SmallVec;

use super::{
    MemoryStore,
    glance::{self, Glance},
    locked::Locked,
    shard::Shard,
    token_buckets::Word,
};
use crate::{
    Algorithm, Balance, Charge, Clock, Decision, Denial, Lease, Taken, Timestamp, Wait,
    accounts::{Standing, Verdict},
    fingerprint::Fingerprint,
};

impl<C: Clock> MemoryStore<C> {
    /// Takes the only charge of a request. `None` if it needs a lease.
    #[inline]
    pub(super) fn take_one(&self, charge: &Charge) -> Option<Decision<Taken>> {
        // Read beside hashing, which takes as long.
        let mut now = self.clock.now();
        let fingerprint = self.secret.fingerprint(&charge.key);
        let standing = match charge.quota.algorithm() {
            Algorithm::TokenBucket => match self.token_buckets.take(fingerprint, charge, now) {
                Some(standing) => standing,
                None => self.take_new(fingerprint, charge, now),
            },
            _ => {
                let mut shard = self.shard(fingerprint);
                now = shard.latest(now);
                shard.take(fingerprint, charge, now)?
            }
        };
        let balance = Balance::from(standing);
        let balances = balance.into();
        Some(match balance.wait {
            Wait::None => Decision::Allow(Taken { balances, lease: Lease::new(0, now) }),
            wait => Decision::Deny(Denial { charge: 0, wait, balances }),
        })
    }

    /// Takes a charge that needs a token bucket for a key that had none.
    #[cold]
    fn take_new(&self, fingerprint: Fingerprint, charge: &Charge, now: Timestamp) -> Standing {
        let _alone = self.shard(fingerprint);
        self.token_buckets.take_new(fingerprint, charge, now)
    }

    /// Takes several charges, or one that needs a lease.
    pub(super) fn take_together(&self, charges: &[Charge]) -> Decision<Taken> {
        let now = self.clock.now();
        let fingerprints: SmallVec<[Fingerprint; 4]> =
            charges.iter().map(|charge| self.secret.fingerprint(&charge.key)).collect();
        if charges.iter().all(|charge| charge.quota.algorithm() == Algorithm::TokenBucket)
            && let Some(decision) = glance::take(&self.token_buckets, charges, &fingerprints, now)
        {
            return decision;
        }
        self.take_locked(charges, &fingerprints, now)
    }

    /// Takes charges of any kind. Their shards are locked, so no other thread changes accounts there or gives one of
    /// the keys a token bucket.
    fn take_locked(
        &self,
        charges: &[Charge],
        fingerprints: &[Fingerprint],
        now: Timestamp,
    ) -> Decision<Taken> {
        let mut order: SmallVec<[usize; 4]> =
            fingerprints.iter().map(|fingerprint| fingerprint.shard(self.shards.len())).collect();
        // All threads lock in the same order, so no two of them wait for each other.
        order.sort_unstable();
        order.dedup();
        let mut shards: SmallVec<[MutexGuard<'_, Shard>; 4]> =
            order.iter().map(|shard| self.lock(*shard)).collect();
        let places: SmallVec<[usize; 4]> = fingerprints
            .iter()
            .map(|fingerprint| order.partition_point(|shard| *shard < fingerprint.shard(self.shards.len())))
            .collect();
        let now = shards.iter_mut().fold(now, |now, shard| shard.latest(now));
        for shard in &mut shards {
            shard.latest(now);
        }

        let lease = Lease::new(self.lease_id(charges), now);
        let mut round = 0;
        loop {
            let glance = Glance::at(&self.token_buckets, charges, fingerprints, now);
            let books = Locked {
                charges,
                fingerprints,
                places: &places,
                shards: &shards,
                token_buckets: &glance,
                now,
            };
            let verdict = Verdict::of(charges, &books);
            if !verdict.admits() {
                return verdict.decision(lease);
            }
            if let Some(mut holds) = glance.hold() {
                for ((charge, fingerprint), place) in charges.iter().zip(fingerprints).zip(&places) {
                    if let Some(accounts) = shards[*place].accounts_mut(charge.quota.algorithm()) {
                        accounts.charge(*fingerprint, &charge.quota, charge.cost, lease, now);
                    }
                }
                glance.charge(&mut holds);
                return verdict.decision(lease);
            }
            AtomicU64::pause(round);
            round += 1;
        }
    }

    /// A number that no other lease has, where one is needed: counting is a memory access that all threads share.
    fn lease_id(&self, charges: &[Charge]) -> u64 {
        if charges.iter().any(|charge| charge.quota.algorithm() == Algorithm::Concurrent) {
            self.leases.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        }
    }
}
