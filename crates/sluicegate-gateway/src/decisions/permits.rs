//! Permits that programs hold: requests that were allowed and have not ended.

mod permit_id;
mod repeats;
mod table;

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::Shared};
use sluicegate::{Clock, Resilient, Store};
use sluicegate_http::{Admission, InFlight, Settling, Told};
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
    time::sleep,
};

pub(super) use self::{
    permit_id::PermitId,
    repeats::{Claim, Claimed},
};
use self::{
    repeats::Repeats,
    table::{Ended, Table},
};

/// The permits of one process. All its threads share them, and a reload changes none.
///
/// Each has a lease. When that ends, the permit ends: its estimate stays charged, and its slots are given back. One task ends
/// all leases, so a permit costs no timer of its own.
pub(crate) struct Permits<S: Store, C> {
    process: u32,
    clock: C,
    table: Mutex<Table<S, C>>,
    /// Wakes the task that ends leases when one ends sooner than those before it.
    sooner: Notify,
    repeats: Arc<Repeats>,
}

/// A request that was allowed, with the policy that it is settled by.
pub(super) struct Held<S: Store, C> {
    pub(super) request: InFlight<S>,
    pub(super) admission: Arc<Admission<S, C>>,
    pub(super) lease: Duration,
}

/// A place among the permits, for a request that is not decided yet.
pub(super) struct Place<'p, S: Store, C> {
    permits: &'p Permits<S, C>,
    id: u128,
}

/// The reason that there is no place for a permit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoPlace {
    /// As many are held as may be. A lease ends after this time, if any has one.
    Full(Option<Duration>),
    /// The system gives no random numbers, so an id could be guessed.
    NoRandomness,
}

/// The reason that a permit cannot be ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lost {
    /// Another process has given it.
    Elsewhere,
    /// It was never given, or has ended long ago.
    Unknown,
    /// Its lease has ended so long ago.
    Expired(Duration),
    /// It was settled, by another usage.
    Settled,
    /// It was released.
    Released,
}

/// Gives `true` when the store has settled a permit, and `false` if it did not answer.
pub(super) type Stored = Shared<oneshot::Receiver<bool>>;

impl<S: Resilient, C: Clock> Permits<S, C> {
    /// No permits. The clock measures leases.
    pub(crate) fn new(clock: C) -> Self {
        Self {
            // Only tells processes apart.
            process: getrandom::u32().unwrap_or_else(|_| std::process::id()),
            clock,
            table: Mutex::default(),
            sooner: Notify::new(),
            repeats: Arc::new(Repeats::new()),
        }
    }

    /// Takes a place for a permit, if fewer than `most` are held.
    ///
    /// # Errors
    ///
    /// [`NoPlace`].
    pub(super) fn place(&self, most: usize) -> Result<Place<'_, S, C>, NoPlace> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| NoPlace::NoRandomness)?;
        let mut table = self.lock();
        if table.places() >= most {
            drop(table);
            let next = self.end_due();
            table = self.lock();
            if table.places() >= most {
                return Err(NoPlace::Full(next));
            }
        }
        table.undecided += 1;
        Ok(Place { permits: self, id: u128::from_be_bytes(bytes) })
    }

    /// Finds out if a call with an idempotency key is the first one with that.
    pub(super) fn claim(&self, key: &[u8], call: &[u8]) -> Claimed {
        self.repeats.claim(key, call, self.clock.now())
    }

    /// Ends a permit by what its holder `told`. Ending it once more in the same way changes nothing.
    ///
    /// # Errors
    ///
    /// [`Lost`].
    pub(super) fn end(&self, permit: PermitId, told: Told) -> Result<Stored, Lost> {
        if permit.process != self.process {
            return Err(Lost::Elsewhere);
        }
        // The task that ends leases may be late.
        self.end_due();
        let (held, settled, stored) = {
            let mut table = self.lock();
            let now = self.clock.now();
            match table.ended.get(&permit.id) {
                Some(Ended::Lease(at)) => return Err(Lost::Expired(now.since(*at))),
                Some(Ended::Told(before, stored)) if *before == told => return Ok(stored.clone()),
                Some(Ended::Told(Told::Unserved, _)) => return Err(Lost::Released),
                Some(Ended::Told(..)) => return Err(Lost::Settled),
                None => {}
            }
            let held = table.remove(permit.id).ok_or(Lost::Unknown)?;
            let (settled, stored) = oneshot::channel();
            let stored = stored.shared();
            table.remember(permit.id, Ended::Told(told.clone(), stored.clone()), now);
            (held, settled, stored)
        };
        held.end(told, settled);
        Ok(stored)
    }

    /// Ends the permits whose leases have ended. Returns the time until the next lease ends.
    pub(crate) fn end_due(&self) -> Option<Duration> {
        let (due, next) = {
            let mut table = self.lock();
            let now = self.clock.now();
            (table.take_due(now), table.next_end().map(|end| end.since(now)))
        };
        due.into_iter().for_each(Held::expire);
        next
    }

    /// Ends each lease when its time has come.
    pub(crate) async fn end_leases(&self) {
        loop {
            match self.end_due() {
                Some(next) => tokio::select! {
                    () = sleep(next) => {}
                    () = self.sooner.notified() => {}
                },
                None => self.sooner.notified().await,
            }
        }
    }

    /// Ends all permits as if their leases had ended, and returns their number.
    pub(crate) fn end_all(&self) -> usize {
        let all = self.lock().take_all(self.clock.now());
        let count = all.len();
        all.into_iter().for_each(Held::expire);
        count
    }

    /// The number of this process, as it is in its permits.
    pub(super) fn process(&self) -> u32 {
        self.process
    }

    fn lock(&self) -> MutexGuard<'_, Table<S, C>> {
        // A thread that panicked here has changed the table or has not; it is whole either way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Resilient, C: Clock> Place<'_, S, C> {
    /// Holds a request that was allowed.
    pub(super) fn hold(self, held: Held<S, C>) -> PermitId {
        let Self { permits, id } = self;
        // It is no place of an undecided request any more.
        mem::forget(self);
        let mut table = permits.lock();
        table.undecided -= 1;
        let end = permits.clock.now() + held.lease;
        let is_next = table.next_end().is_none_or(|next| end < next);
        table.hold(id, end, held);
        drop(table);
        if is_next {
            permits.sooner.notify_one();
        }
        PermitId { process: permits.process, id }
    }
}

impl<S: Store, C> Drop for Place<'_, S, C> {
    fn drop(&mut self) {
        self.permits.table.lock().unwrap_or_else(PoisonError::into_inner).undecided -= 1;
    }
}

impl<S: Resilient, C: Clock> Held<S, C> {
    /// Ends the request by what its holder `told`, and tells `settled` if the store has noted that.
    fn end(mut self, told: Told, settled: oneshot::Sender<bool>) {
        self.request.switched();
        let tell = |is_stored| {
            // Nobody may wait for it any more.
            let _ = settled.send(is_stored);
        };
        let mut rest = None;
        let begun = self.request.settle(&self.admission, Some(told), |settling| rest = Some(settling));
        match rest {
            Some(settling) => settle_later(settling, tell),
            None => tell(begun.is_ok()),
        }
    }

    /// Ends the request of a permit that nobody has settled.
    fn expire(mut self) {
        let kept = Told::Units(Vec::new());
        // No charge changes, so no store is asked that could fail.
        let _ = self.request.settle(&self.admission, Some(kept), drop);
    }
}

/// Settles beside the call, whose caller may leave.
fn settle_later(settling: Settling, tell: impl FnOnce(bool) + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(async move { tell(settling.await.is_ok()) }));
    }
}

impl<S: Store, C> fmt::Debug for Permits<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("process", &self.process).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
