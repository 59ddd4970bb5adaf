//! A mark of the time in Redis, for stores that are opened later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sluicegate::{Algorithm, Key};
use smallvec::smallvec;
use tokio::time::Instant;

use crate::{
    key_names::{KeyNames, Kind},
    reply::Reply,
    request::{Line, Request, Row, Verb},
    server_time::ServerTime,
};

/// A mark in Redis of how late it was a moment ago, for gateways that start while the servers' clocks are set back: all
/// accounts are dated later than they can know.
///
/// It is kept as accounts are, as a log of one charge, which every store writes anew a few times a lease. A store reads it
/// before it asks for anything else.
pub(crate) struct TimeMark {
    account: Arc<str>,
    slot: u16,
    time: Arc<ServerTime>,
    opened: Instant,
    /// [`READ`], or from which millisecond on it is to be read.
    next: AtomicU64,
}

impl TimeMark {
    pub(crate) fn new(names: &KeyNames, time: Arc<ServerTime>) -> Self {
        let (account, slot) = names.account(&Key::of(["time"]), Algorithm::SlidingLog);
        Self { account: account.into(), slot, time, opened: Instant::now(), next: AtomicU64::new(0) }
    }

    /// Returns `true` if it was not read yet, and not tried in vain a moment ago.
    pub(crate) fn is_due(&self) -> bool {
        match self.next.load(Ordering::Relaxed) {
            0 => true,
            READ => false,
            next => self.opened.elapsed() >= Duration::from_millis(next),
        }
    }

    /// The request that reads it.
    pub(crate) fn look(&self) -> Request {
        self.request(Verb::Look, [0, 1, LIFE, 0])
    }

    /// Takes over the time from the answer to [`look`](Self::look).
    pub(crate) fn read(&self, reply: &Reply) {
        // How many charges there are, and of each its time and cost.
        if let Reply::Done { numbers, .. } = reply
            && let [1, at, ..] = numbers[..]
        {
            self.time.heard(at);
        }
        self.next.store(READ, Ordering::Relaxed);
    }

    /// It could not be read for now.
    pub(crate) fn put_off(&self) {
        let next = self.opened.elapsed() + PAUSE;
        self.next.store(u64::try_from(next.as_millis()).unwrap_or(READ - 1), Ordering::Relaxed);
    }

    /// The request that writes it.
    pub(crate) fn renewal(&self) -> Request {
        self.request(Verb::Renew { lease: 0 }, [LIFE, 0, 0, 0])
    }

    fn request(&self, verb: Verb, row: Row) -> Request {
        let line = Line { account: Arc::clone(&self.account), kind: Kind::SlidingLog, row };
        Request { verb, slot: self.slot, lines: smallvec![line] }
    }
}

/// It was read.
const READ: u64 = u64::MAX;
/// Before it is read again where that failed, for requests wait for it.
const PAUSE: Duration = Duration::from_secs(1);
/// Its life in microseconds: a day. Clocks that are set back by more are not corrected.
const LIFE: i64 = 86_400_000_000;
