//! The lines that wait to be written.

use std::{
    array, mem,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sluicegate_policy::DecisionLogSettings;

use super::{
    SinkEvent,
    file::LogFile,
    lane::{Batch, Lane},
};

/// The lines that wait to be written, in lanes, and the changes of the file.
pub(super) struct Backlog {
    lanes: [Aligned; LANES],
    /// Locked before a lane, where both are.
    queue: Mutex<Queue>,
    changed: Condvar,
    /// The log is on.
    is_open: AtomicBool,
    /// The room of all lines that wait.
    taken: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
    heard: Box<dyn Fn(SinkEvent) + Send + Sync>,
}

/// A lane on cache lines of its own.
#[repr(align(128))]
struct Aligned(Mutex<Lane>);

/// The work of the thread.
#[derive(Default)]
struct Queue {
    /// The changes, each behind the lines that came before it.
    items: Vec<Item>,
    /// There are lines.
    has_lines: bool,
    /// There are so many lines that they are written at once.
    has_plenty: bool,
    is_closed: bool,
}

/// Lines, or a change of the file.
pub(super) enum Item {
    Lines(Batch),
    Change(Change),
}

/// A change of the file to write to.
pub(super) enum Change {
    /// This file is next, and begins with this line.
    Begin(Box<LogFile>, Vec<u8>),
    /// The file has other sizes.
    Resize(DecisionLogSettings),
    /// There is none any more.
    End,
}

/// News for the thread that writes.
enum News {
    Lines,
    Plenty,
}

impl Backlog {
    pub(super) fn new(heard: impl Fn(SinkEvent) + Send + Sync + 'static) -> Self {
        let mut requests = 0..;
        Self {
            lanes: array::from_fn(|_| Aligned(Mutex::new(Lane::new(requests.next().unwrap_or_default())))),
            queue: Mutex::default(),
            changed: Condvar::new(),
            is_open: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            heard: Box::new(heard),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, and for those that come soon after them, so that one write takes many. Returns what is to be done, and
    /// `true` at the end of the log.
    pub(super) fn wait(&self, empty: &mut Vec<Vec<u8>>) -> (Vec<Item>, bool) {
        let idle = |queue: &mut Queue| !queue.has_lines && !queue.is_urgent();
        let queue = self.changed.wait_while(self.queue(), idle).unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(queue, SOON, |queue| !queue.is_urgent());
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (queue.has_lines, queue.has_plenty) = (false, false);
        let mut items = mem::take(&mut queue.items);
        items.extend(self.take_lines(empty));
        (items, queue.is_closed)
    }

    /// Counts lines that were written, and those that were lost instead. Returns the number of all that were dropped.
    pub(super) fn count(&self, written: u64, lost: u64) -> u64 {
        self.written.fetch_add(written, Ordering::Relaxed);
        self.dropped.fetch_add(lost, Ordering::Relaxed) + lost
    }

    /// Gives back the room of lines that wait no more.
    pub(super) fn free(&self, room: usize) {
        self.taken.fetch_sub(room, Ordering::Relaxed);
    }

    pub(super) fn tell(&self, event: SinkEvent) {
        (self.heard)(event);
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes no more lines, and ends the log.
    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::Relaxed);
        self.queue().is_closed = true;
        self.changed.notify_one();
    }

    /// Takes the lines of all lanes, which go on in `empty` buffers.
    fn take_lines(&self, empty: &mut Vec<Vec<u8>>) -> impl Iterator<Item = Item> {
        self.lanes.iter().filter_map(|lane| lane.lock().take(empty)).map(Item::Lines)
    }

    /// Has a line written to the lane of this thread, or drops it if too many wait.
    pub(super) fn line<T>(&self, write: impl FnOnce(&mut Lane) -> T) -> T {
        thread_local!(static LANE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LANES);
        let mut lane = self.lanes[LANE.with(|lane| *lane)].lock();
        let result = write(&mut lane);
        let missing = lane.end();
        if missing == 0 {
            lane.keep();
        } else {
            let news = self.widen(&mut lane, missing);
            drop(lane);
            news.into_iter().for_each(|news| self.wake(&news));
        }
        result
    }

    /// Makes room for the line that has ended, and takes it. Otherwise drops it.
    #[cold]
    fn widen(&self, lane: &mut Lane, missing: usize) -> Option<News> {
        if !self.is_open.load(Ordering::Relaxed) {
            lane.cancel();
            return None;
        }
        let step = missing.next_multiple_of(STEP);
        let grown = |taken: usize| Some(taken + step).filter(|taken| *taken <= CAPACITY);
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            lane.cancel();
            return None;
        }
        let before = lane.widen(step);
        lane.keep();
        // Waking the thread is a system call: once for all lines that it takes together.
        match before {
            0 => Some(News::Lines),
            _ => (before < PLENTY && before + step >= PLENTY).then_some(News::Plenty),
        }
    }

    #[cold]
    fn wake(&self, news: &News) {
        let mut queue = self.queue();
        match news {
            News::Lines => queue.has_lines = true,
            News::Plenty => queue.has_plenty = true,
        }
        drop(queue);
        self.changed.notify_one();
    }

    pub(super) fn change(&self, change: Change, is_open: bool) {
        let mut queue = self.queue();
        if queue.is_closed {
            return;
        }
        // It closes before the last lines are taken, and opens behind them.
        self.is_open.fetch_and(is_open, Ordering::Relaxed);
        queue.items.extend(self.take_lines(&mut Vec::new()));
        queue.items.push(Item::Change(change));
        self.is_open.store(is_open, Ordering::Relaxed);
        drop(queue);
        self.changed.notify_one();
    }
}

impl Queue {
    fn is_urgent(&self) -> bool {
        !self.items.is_empty() || self.is_closed || self.has_plenty
    }
}

impl Aligned {
    fn lock(&self) -> MutexGuard<'_, Lane> {
        // A line that a panic has left unfinished is cut off.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More threads than these share lanes.
pub(super) const LANES: usize = 16;

/// The number of threads that have written a line.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The most bytes that wait to be written.
pub(super) const CAPACITY: usize = 8 << 20;

/// A lane takes room for so many bytes at a time.
const STEP: usize = 64 << 10;

/// The bytes of one lane that are written at once. They are still in the processor's cache.
pub(super) const PLENTY: usize = 256 << 10;

/// Until then, fewer wait for more.
const SOON: Duration = Duration::from_millis(200);
