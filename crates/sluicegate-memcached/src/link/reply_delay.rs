//! The delay of a server's pending reply.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The delay of a server's pending reply. It shows a caller that waits for several servers which one is late.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplyDelay(Arc<AtomicU64>);

impl ReplyDelay {
    /// Notes when a server with pending replies last sent something; `None` if no reply is pending.
    pub(super) fn set(&self, heard: Option<Instant>) {
        // Zero is nothing.
        let micros = |heard: Instant| heard.duration_since(*BEGIN).as_micros() + 1;
        let heard = heard.map_or(0, |heard| u64::try_from(micros(heard)).unwrap_or(u64::MAX));
        self.0.store(heard, Ordering::Relaxed);
    }

    /// Returns the time since the server last sent something; zero if no reply is pending.
    pub(crate) fn elapsed(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            heard => BEGIN.elapsed().saturating_sub(Duration::from_micros(heard - 1)),
        }
    }
}

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
