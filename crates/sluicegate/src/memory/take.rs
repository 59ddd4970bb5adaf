//! Taking the charges of a request.

use std::sync::{
    MutexGuard,
    atomic::{AtomicU64, Ordering},
};

use smallvec::SmallVec;

use super::{MemoryStore, glance::Glance, locked::Locked, several, shard::Shard, token_buckets::Word};
use crate::{
    Algorithm, Balance, Charge, Clock, Decision, Denial, Lease, Taken, Timestamp, Wait,
    accounts::{Standing, TokenBucket, Verdict},
    fingerprint::Fingerprint,
};

impl<C: Clock> MemoryStore<C> {
    /// Takes the only charge of a request, on a token bucket, if it fits. Returns the account as it was before, and the time.
    ///
    /// The caller works out the decision from these. What it does not ask for costs nothing, once its compiler sees that.
    #[inline(never)]
    pub(super) fn take_one(&self, charge: &Charge) -> (TokenBucket, Timestamp) {
        // Read beside hashing, which takes as long.
        let now = self.clock.now();
        let fingerprint = self.secret.fingerprint(&charge.key);
        let account = match self.token_buckets.take(fingerprint, charge, now) {
            Some(account) => account,
            None => self.take_new(fingerprint, charge, now),
        };
        (account, now)
    }

    /// Takes a charge that needs a token bucket for a key that had none.
    #[cold]
    fn take_new(&self, fingerprint: Fingerprint, charge: &Charge, now: Timestamp) -> TokenBucket {
        let _alone = self.shard(fingerprint);
        self.token_buckets.take_new(fingerprint, charge, now)
    }

    /// Takes several charges, or one that is not on a token bucket.
    #[inline(never)]
    pub(super) fn take_any(&self, charges: &[Charge]) -> Decision<Taken> {
        let now = self.clock.now();
        let fingerprint = |charge: usize| self.secret.fingerprint(&charges[charge].key);
        if charges.len() <= several::MOST
            && charges.iter().all(|charge| charge.quota.algorithm() == Algorithm::TokenBucket)
            && let Some(decision) = several::take(&self.token_buckets, charges, fingerprint, now)
        {
            return decision;
        }
        self.take_locked(charges, now)
    }

    /// Takes charges of any kind. Their shards are locked, so no other thread changes accounts there or gives one of
    /// the keys a token bucket.
    #[inline(never)]
    fn take_locked(&self, charges: &[Charge], now: Timestamp) -> Decision<Taken> {
        let fingerprints: SmallVec<[Fingerprint; INLINE]> =
            charges.iter().map(|charge| self.secret.fingerprint(&charge.key)).collect();
        if let ([charge], [fingerprint]) = (charges, &fingerprints[..]) {
            let mut shard = self.shard(*fingerprint);
            let now = shard.latest(now);
            if let Some(standing) = shard.take(*fingerprint, charge, now) {
                return decision(standing, now);
            }
        }
        let mut order: SmallVec<[usize; INLINE]> =
            fingerprints.iter().map(|fingerprint| fingerprint.shard(self.shards.len())).collect();
        // All threads lock in the same order, so no two of them wait for each other.
        order.sort_unstable();
        order.dedup();
        let mut shards: SmallVec<[MutexGuard<'_, Shard>; INLINE]> =
            order.iter().map(|shard| self.lock(*shard)).collect();
        let places: SmallVec<[usize; INLINE]> = fingerprints
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
            let glance = Glance::at(&self.token_buckets, charges, &fingerprints, now);
            let books = Locked {
                charges,
                fingerprints: &fingerprints,
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
                for ((charge, fingerprint), place) in charges.iter().zip(&fingerprints).zip(&places) {
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

/// The decision on a request with one charge.
#[inline(always)]
pub(super) fn decision(standing: Standing, now: Timestamp) -> Decision<Taken> {
    let balance = Balance::from(standing);
    let balances = balance.into();
    match balance.wait {
        Wait::None => Decision::Allow(Taken { balances, lease: Lease::new(0, now), at: now }),
        wait => Decision::Deny(Denial { charge: 0, wait, balances, at: now }),
    }
}

/// As many charges as are taken without an allocation.
const INLINE: usize = 4;
