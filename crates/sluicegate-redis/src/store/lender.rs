//! Lending chunks.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::{Either, ready};
use sluicegate::{
    Algorithm, Charge, Chunk, Cost, Lease, Lender, Remainder, StoreError, Timestamp, accounts::AnyAccount,
};
use sluicegate_remote::unix_time::timestamp;
use smallvec::SmallVec;

use super::{RedisStore, receive};
use crate::{
    charges_by_slot::{ChargesBySlot, in_micros},
    job::{Job, ReplyReceiver},
    reply::{Reply, accounts},
    request::Verb,
};

impl Lender for RedisStore {
    fn lend(
        &self,
        charge: &Charge,
        life: Duration,
    ) -> impl Future<Output = Result<Option<Chunk<Lease>>, StoreError>> + Send + 'static {
        let lease = self.next_lease.fetch_add(1, Ordering::Relaxed);
        let charges = in_micros(std::slice::from_ref(charge));
        let life = Duration::from_micros(u64::try_from(life.as_micros()).unwrap_or(u64::MAX));
        let request = match ChargesBySlot::of(&charges, &self.names) {
            Err(error) => return Either::Left(ready(Err(error))),
            // The next take reads the mark of the time.
            Ok(of_slots) if of_slots.never_fits() || self.mark.is_due() => {
                return Either::Left(ready(Ok(None)));
            }
            Ok(of_slots) => {
                let life = i64::try_from(life.as_micros()).unwrap_or(i64::MAX);
                of_slots.asking(Verb::Lend { lease, life }, &[0])
            }
        };
        let (job, receiver) = Job::new(request);
        // If the task has ended, the reply's sender is dropped with the job.
        drop(self.jobs.send(job));
        Either::Right(chunk(receiver, charges, lease, life))
    }

    fn give_back(&self, charge: &Charge, lease: Lease, rest: Remainder) {
        let charges = in_micros(std::slice::from_ref(charge));
        let Ok(charges_by_slot) = ChargesBySlot::of(&charges, &self.names) else { return };
        self.send(if charge.quota.algorithm() == Algorithm::TokenBucket {
            charges_by_slot.giving_back(lease.id, rest)
        } else {
            let spent = Cost::new(charge.cost.units().saturating_sub(rest.left.units()));
            charges_by_slot.settling(lease, &[spent], &[0])
        });
    }

    fn claim(&self, taken_at: Timestamp) -> Lease {
        Lease::new(self.next_lease.fetch_add(1, Ordering::Relaxed), taken_at)
    }
}

/// Waits for the chunk of the only charge.
async fn chunk(
    receiver: ReplyReceiver,
    charges: SmallVec<[Charge; 4]>,
    lease: u64,
    life: Duration,
) -> Result<Option<Chunk<Lease>>, StoreError> {
    let reply = receive(receiver).await?;
    // What is wrong with the answer, a take tells.
    let Reply::Done { now, admitted: true, numbers } = &reply.reply else { return Ok(None) };
    let lines = charges.iter().map(|charge| (charge.quota.algorithm().into(), charge));
    let account = accounts(lines, numbers).and_then(|mut accounts| accounts.pop());
    let (Some(account), [charge]) = (account, &charges[..]) else { return Ok(None) };
    let lent_at = timestamp(*now);
    let ends = ends(&account, charge, lent_at).map_or(lent_at + life, |window| window.min(lent_at + life));
    reply.claim();
    Ok(Some(Chunk { lease: Lease::new(lease, lent_at), lent_at, ends, account }))
}

/// Returns the end of the window that the charge was taken from, if its account counts in windows.
fn ends(account: &AnyAccount, charge: &Charge, now: Timestamp) -> Option<Timestamp> {
    let mut account = account.clone();
    account.charge(&charge.quota, charge.cost, now);
    account.window_ends(&charge.quota)
}
