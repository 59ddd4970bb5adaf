//! The silence of a server that owes an answer.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The silence of a server that owes an answer. A caller that waits for several servers reads it to learn which one is
/// late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The last sign of life from a server that owes answers; `None` if it owes none.
    pub(super) fn set(&self, heard: Option<Instant>) {
        // Zero is nothing.
        let micros = |heard: Instant| heard.duration_since(*BEGIN).as_micros() + 1;
        let heard = heard.map_or(0, |heard| u64::try_from(micros(heard)).unwrap_or(u64::MAX));
        self.0.store(heard, Ordering::Relaxed);
    }

    /// Returns the time for which the server has been silent although it was asked.
    pub(crate) fn silence(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            heard => BEGIN.elapsed().saturating_sub(Duration::from_micros(heard - 1)),
        }
    }
}

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
