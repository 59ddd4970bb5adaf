//! Setting up a cache of denials.

use std::time::Duration;

use super::{DenyCache, epochs::Epochs, remembered::Caps, table::Table};
use crate::{Backend, Clock, SystemClock, fingerprint::Secret};

/// Sets up a [`DenyCache`].
#[derive(Clone, Debug)]
#[must_use]
pub struct DenyCacheBuilder<S, C = SystemClock> {
    store: S,
    max_keys: usize,
    cap: Duration,
    refund_cap: Duration,
    clock: C,
}

impl<S: Backend> DenyCacheBuilder<S> {
    pub(super) fn new(store: S) -> Self {
        Self {
            store,
            max_keys: DEFAULT_KEYS,
            cap: Duration::MAX,
            refund_cap: DEFAULT_REFUND_CAP,
            clock: SystemClock::new(),
        }
    }
}

impl<S: Backend, C: Clock> DenyCacheBuilder<S, C> {
    /// Sets the maximum number of remembered denials, up to four billion. Defaults to 65,536. Zero asks the store each time.
    pub fn max_keys(self, max_keys: usize) -> Self {
        Self { max_keys: max_keys.min(MAX_KEYS), ..self }
    }

    /// For how long at most any denial is remembered; for as long as it holds, unless this is set.
    ///
    /// Set this for a store that takes charges before it judges, and gives them back. Such a store may deny a
    /// request that it would admit a moment later, and that denial must not be remembered for the whole wait.
    pub fn cap(self, cap: Duration) -> Self {
        Self { cap, ..self }
    }

    /// For how long at most a denial is remembered whose unit is an estimate that is settled: tokens and money. A
    /// refund that another instance gives is seen as late as this. 250 ms, unless it is set.
    pub fn refund_cap(self, refund_cap: Duration) -> Self {
        Self { refund_cap, ..self }
    }

    /// Follows this clock.
    pub fn clock<D: Clock>(self, clock: D) -> DenyCacheBuilder<S, D> {
        let Self { store, max_keys, cap, refund_cap, .. } = self;
        DenyCacheBuilder { store, max_keys, cap, refund_cap, clock }
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> DenyCache<S, C> {
        DenyCache {
            store: self.store,
            table: Table::of(self.max_keys),
            epochs: Epochs::for_keys(self.max_keys),
            secret: Secret::random(),
            caps: Caps { any: self.cap, settled: self.cap.min(self.refund_cap) },
            clock: self.clock,
        }
    }
}

const DEFAULT_KEYS: usize = 65_536;
const MAX_KEYS: usize = 4_000_000_000;
const DEFAULT_REFUND_CAP: Duration = Duration::from_millis(250);
