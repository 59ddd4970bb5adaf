//! The circuit breaker of one server.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{probe::Probe, transition::Transition};
use crate::{Clock, StoreError, Timestamp};

/// A circuit breaker: closed while a server answers, open while it does not.
///
/// It has no timer. When an open circuit's next probe is due, the next caller is the probe. Without callers there is no
/// need to know whether the server answers.
pub(super) struct Breaker<C> {
    /// The last calls of a closed circuit, the newest in the lowest bit, set where it failed; or [`OPEN`]. Written only
    /// under the lock of `outage`.
    calls: AtomicU32,
    /// The time of an open circuit's next probe, in ticks. [`UNDER_WAY`] during a probe.
    next_probe: AtomicU64,
    outage: Mutex<Outage>,
    errors: AtomicU64,
    outages: AtomicU64,
    /// The number of open circuits of all servers.
    open: Arc<AtomicUsize>,
    listener: Arc<TransitionListener>,
    random: RandomState,
    clock: C,
}

/// The listener for transitions.
pub(super) type TransitionListener = dyn Fn(&Transition) + Send + Sync;

/// A caller's right to ask the server.
pub(super) enum Passage<'a, C: Clock> {
    /// The caller may ask.
    Closed,
    /// The caller probes: it alone may ask, and the answer decides about the circuit.
    Probe(Probe<'a, C>),
    /// The caller may not ask.
    Open,
}

impl<C: Clock> Passage<'_, C> {
    /// Returns `true` if the caller may ask.
    #[inline]
    pub(super) const fn is_free(&self) -> bool {
        !matches!(self, Self::Open)
    }
}

/// The outage that goes on, or the last one.
#[derive(Debug)]
struct Outage {
    /// The server's address, if the store has several.
    server: Option<String>,
    since: Timestamp,
    error: StoreError,
    failed_probes: u32,
    /// The number of random numbers drawn so far.
    drawn: u64,
}

impl<C: Clock> Breaker<C> {
    pub(super) fn new(clock: C, listener: Arc<TransitionListener>, open: Arc<AtomicUsize>) -> Self {
        let outage = Outage {
            server: None,
            since: Timestamp::EPOCH,
            error: StoreError::new(""),
            failed_probes: 0,
            drawn: 0,
        };
        Self {
            calls: AtomicU32::new(0),
            next_probe: AtomicU64::new(UNDER_WAY),
            outage: Mutex::new(outage),
            errors: AtomicU64::new(0),
            outages: AtomicU64::new(0),
            open,
            listener,
            random: RandomState::new(),
            clock,
        }
    }

    /// Returns `true` if the circuit is closed.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.calls.load(Ordering::Relaxed) != OPEN
    }

    /// Returns the number of failed calls.
    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Returns how often the circuit opened.
    pub(super) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    /// Returns the server's address, once an outage has told it.
    pub(super) fn server(&self) -> Option<String> {
        self.lock().server.clone()
    }

    /// Decides whether to ask the server for a request.
    #[inline]
    pub(super) fn passage(&self) -> Passage<'_, C> {
        if self.is_closed() { Passage::Closed } else { self.passage_while_open() }
    }

    fn passage_while_open(&self) -> Passage<'_, C> {
        let due = self.next_probe.load(Ordering::Acquire);
        // Of all who see that it is due, one makes it its own.
        let mine = || self.next_probe.compare_exchange(due, UNDER_WAY, Ordering::AcqRel, Ordering::Relaxed);
        if due != UNDER_WAY && self.clock.now().ticks() >= due && mine().is_ok() {
            Passage::Probe(Probe::of(self))
        } else {
            Passage::Open
        }
    }

    /// Notes a call that the server answered. A late answer does not close an open circuit.
    #[inline]
    pub(super) fn succeeded(&self) {
        // Where no failure is remembered there is nothing to write.
        if self.calls.load(Ordering::Relaxed) != 0 {
            let _outage = self.lock();
            let calls = self.calls.load(Ordering::Relaxed);
            if calls != OPEN {
                self.calls.store(and(calls, 0), Ordering::Relaxed);
            }
        }
    }

    /// Notes a failed call, and opens the circuit if it is one too many. `name` is the server's address.
    pub(super) fn failed(&self, error: &StoreError, name: impl FnOnce() -> Option<String>) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let mut outage = self.lock();
        let calls = match self.calls.load(Ordering::Relaxed) {
            OPEN => return,
            calls => and(calls, 1),
        };
        if calls & STREAK != STREAK && calls.count_ones() <= LAST_CALLS / 2 {
            self.calls.store(calls, Ordering::Relaxed);
            return;
        }
        let now = self.clock.now();
        *outage =
            Outage { server: name(), since: now, error: copy(error), failed_probes: 0, drawn: outage.drawn };
        self.schedule(&mut outage, now);
        self.outages.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        self.calls.store(OPEN, Ordering::Relaxed);
        (self.listener)(&Transition::Down { server: outage.server.clone(), error: error.to_string() });
    }

    /// Closes the circuit after a probe that was answered.
    pub(super) fn close(&self) {
        self.end(|server, after| Transition::Up { server, after });
    }

    /// Closes the circuit of a server that keeps no accounts any more: no request will ever probe it.
    pub(super) fn retire(&self) {
        self.end(|server, after| Transition::Replaced { server, after });
    }

    /// Closes an open circuit and tells the listener, with the server's address and the length of the outage.
    fn end(&self, transition: impl FnOnce(Option<String>, Duration) -> Transition) {
        let outage = self.lock();
        if self.is_closed() {
            return;
        }
        self.calls.store(0, Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Relaxed);
        let after = self.clock.now().since(outage.since);
        (self.listener)(&transition(outage.server.clone(), after));
    }

    /// Keeps the circuit open after a probe that failed.
    pub(super) fn stay_open(&self, error: &StoreError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let mut outage = self.lock();
        outage.error = copy(error);
        outage.failed_probes = outage.failed_probes.saturating_add(1);
        self.schedule(&mut outage, self.clock.now());
    }

    /// Plans another probe after one without a known outcome.
    pub(super) fn probe_later(&self) {
        self.schedule(&mut self.lock(), self.clock.now());
    }

    /// Makes the next caller the probe: the server was not asked after all.
    pub(super) fn probe_at_once(&self) {
        self.next_probe.store(self.clock.now().ticks(), Ordering::Release);
    }

    /// Sets the time of the next probe.
    fn schedule(&self, outage: &mut Outage, now: Timestamp) {
        outage.drawn += 1;
        let least = if outage.failed_probes == 0 { SHORTEST } else { SHORTEST * 2 };
        // Up to twice as long: instances that lost the store together must not all come back together.
        let nanoseconds = (u128::from(self.random.hash_one(outage.drawn)) * least.as_nanos()) >> u64::BITS;
        let jitter = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
        self.next_probe.store((now + least + jitter).ticks(), Ordering::Release);
    }

    /// Returns the error for a caller that may not ask.
    pub(super) fn error(&self) -> StoreError {
        let outage = self.lock();
        let milliseconds = self.clock.now().since(outage.since).as_millis();
        let message = format!("the store has not answered for {milliseconds} ms: {}", outage.error);
        if outage.error.is_misconfiguration() {
            StoreError::misconfigured(message)
        } else {
            StoreError::new(message)
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outage> {
        // Only a listener can panic here, when all is written.
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> fmt::Debug for Breaker<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("calls", &self.calls)
            .field("outage", &self.outage)
            .finish_non_exhaustive()
    }
}

/// The last calls and one more.
const fn and(calls: u32, failed: u32) -> u32 {
    (calls << 1 | failed) & ((1 << LAST_CALLS) - 1)
}

/// The same words, without what caused them.
fn copy(error: &StoreError) -> StoreError {
    if error.is_misconfiguration() {
        StoreError::misconfigured(error.to_string())
    } else {
        StoreError::new(error.to_string())
    }
}

/// Calls that are remembered. When more than half of them failed, the circuit opens.
const LAST_CALLS: u32 = 20;
/// As many failures in a row open it too.
const STREAK: u32 = 0b1_1111;
/// In place of the last calls, when the circuit is open.
const OPEN: u32 = u32::MAX;
/// In place of the next probe's time.
const UNDER_WAY: u64 = u64::MAX;
/// The least time to a probe after an outage began; twice as long after a probe that failed.
const SHORTEST: Duration = Duration::from_millis(250);
