//! The slots that this process holds.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::request::Request;

/// The leases of this process that are in use, to be renewed until they are not.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    live: Mutex<HashMap<u64, Held>>,
    /// A request that is sent as often as renewals, as long as the process lives.
    mark: OnceLock<Request>,
}

#[derive(Debug)]
struct Held {
    /// One for each slot of a cluster where it holds anything.
    renewals: SmallVec<[Request; 1]>,
    renewed: Instant,
}

impl Leases {
    pub(crate) fn hold(&self, lease: u64, renewals: SmallVec<[Request; 1]>) {
        self.live().insert(lease, Held { renewals, renewed: Instant::now() });
    }

    pub(crate) fn end(&self, lease: u64) {
        self.live().remove(&lease);
    }

    /// Has a mark of the time written each time that leases are looked at.
    pub(crate) fn keep(&self, mark: Request) {
        self.mark.get_or_init(|| mark);
    }

    pub(crate) fn len(&self) -> usize {
        self.live().len()
    }

    /// Hands out the renewals of all leases that were not renewed for so long. What is handed out is sent before
    /// anything that is sent after the lease has [ended](Self::end).
    pub(crate) fn renew(&self, older_than: Duration, mut send: impl FnMut(Request)) {
        let now = Instant::now();
        for held in self.live().values_mut().filter(|held| now.duration_since(held.renewed) >= older_than) {
            held.renewed = now;
            held.renewals.iter().cloned().for_each(&mut send);
        }
        self.mark.get().into_iter().cloned().for_each(&mut send);
    }

    fn live(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        // A thread that panicked here has changed one entry or none.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
