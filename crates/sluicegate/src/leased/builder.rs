//! Setting up a store that spends chunks.

use std::{sync::atomic::AtomicU64, time::Duration};

use super::{Leased, counters::Counters, heat::Heat, holding::SOON, settings::Settings, table::Table};
use crate::{Clock, Lender, Resilient, SystemClock};

/// Sets up a [`Leased`] store.
#[derive(Clone, Debug)]
#[must_use]
pub struct LeasedBuilder<S, C = SystemClock> {
    store: S,
    settings: Settings,
    clock: C,
}

impl<S: Lender + Resilient> LeasedBuilder<S> {
    pub(super) fn new(store: S) -> Self {
        let life = Duration::from_secs(1);
        let settings = Settings {
            share: 100_000,
            life,
            requests: 10,
            hot_within: life / SOON,
            ahead: true,
            max_keys: 10_000,
        };
        Self { store, settings, clock: SystemClock::new() }
    }
}

impl<S: Lender + Resilient, C: Clock> LeasedBuilder<S, C> {
    /// Sets the part of a quota's burst that this instance may hold in chunks, in millionths. Defaults to a tenth. With
    /// zero it takes none.
    pub fn share(mut self, millionths: u32) -> Self {
        self.settings.share = u64::from(millionths);
        self
    }

    /// Sets the time after which a chunk ends, spent or not. Defaults to a second. A key is hot, and gets its first chunk,
    /// when two of its requests come within a tenth of it.
    pub fn life(mut self, life: Duration) -> Self {
        self.settings.life = life;
        self.settings.hot_within = life / SOON;
        self
    }

    /// Sets the least number of requests that a chunk has to pay, each like the one that comes when it is asked for.
    /// Defaults to 10. A quota whose share is worth less is not lent.
    pub fn requests(mut self, requests: u64) -> Self {
        self.settings.requests = requests.max(1);
        self
    }

    /// Asks for the next chunk when half of one is spent, which is the default, or only when all of it is.
    pub fn ahead(mut self, ahead: bool) -> Self {
        self.settings.ahead = ahead;
        self
    }

    /// Sets the maximum number of accounts with chunks. Defaults to 10,000. Others are asked for call by call.
    pub fn max_keys(mut self, max_keys: usize) -> Self {
        self.settings.max_keys = max_keys;
        self
    }

    /// Follows this clock.
    pub fn clock<D: Clock>(self, clock: D) -> LeasedBuilder<S, D> {
        LeasedBuilder { store: self.store, settings: self.settings, clock }
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> Leased<S, C> {
        Leased {
            store: self.store,
            settings: self.settings,
            clock: self.clock,
            table: Table::new(),
            heat: Heat::new(),
            counters: Counters::default(),
            next_tidy: AtomicU64::new(0),
        }
    }
}
