//! The way of lines to the file: a bounded queue, and the thread that empties it.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use sluicegate_policy::DecisionLogSettings;

use super::{LogClock, file::LogFile, line::Line, writer::Writer};

/// The decision log of one process: a queue of lines, and the thread that writes them.
///
/// Requests never wait for the disk. If the thread falls behind, or the disk is full, lines are dropped and counted. A line
/// reaches the file within a quarter of a second.
pub struct DecisionSink {
    shared: Arc<Shared>,
    clock: LogClock,
    /// The first six digits of the ids of its requests.
    process: u64,
    requests: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

pub(super) struct Shared {
    queue: Mutex<Queue>,
    pub(super) changed: Condvar,
    pub(super) written: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) heard: Box<dyn Fn(SinkEvent) + Send + Sync>,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) lines: Vec<u8>,
    /// The log is on.
    is_open: bool,
    /// Changes, each behind so many bytes of the lines.
    pub(super) changes: Vec<(usize, Change)>,
    pub(super) is_closed: bool,
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

/// News about the log, told once each time.
#[derive(Debug)]
pub enum SinkEvent {
    /// Lines cannot be written.
    Failing(io::Error),
    /// Lines come faster than they can be written.
    Overflowing,
    /// All lines are written again, after so many were dropped.
    Recovered(u64),
}

impl DecisionSink {
    /// A log that is off. `heard` is told of its troubles, on the thread that writes.
    #[must_use]
    pub fn new(clock: LogClock, heard: impl Fn(SinkEvent) + Send + Sync + 'static) -> Self {
        let shared = Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            heard: Box::new(heard),
        };
        // A number that another process hardly has.
        let process = RandomState::new().hash_one(0) >> REQUEST_BITS;
        let (requests, thread) = (AtomicU64::new(0), Mutex::default());
        Self { shared: Arc::new(shared), clock, process, requests, thread }
    }

    /// Writes to this file from now on, and first that a gateway with this kind of store begins to. `fresh` tells if its
    /// accounts in memory are new.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn begin(&self, file: LogFile, store: &str, fresh: bool) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let writer = Writer::new(Arc::clone(&self.shared));
            let named = thread::Builder::new().name("sluicegate-log".to_owned());
            *thread = Some(named.spawn(move || writer.run())?);
        }
        let mut start = Vec::new();
        let write = |line: &mut Line| {
            line.raw(r#"{"event":"start","time":"#);
            line.time(self.clock.now());
            line.raw(&format!(r#","process":"{:06x}","store":"{store}","fresh":{fresh}}}"#, self.process));
        };
        Line::compose(write, |line| start = line.to_vec());
        self.change(Change::Begin(Box::new(file), start), true);
        Ok(())
    }

    /// Takes the sizes of these settings for the file that it writes to.
    pub fn resize(&self, settings: &DecisionLogSettings) {
        self.change(Change::Resize(settings.clone()), true);
    }

    /// Turns the log off, after the lines that it has taken.
    pub fn end(&self) {
        self.change(Change::End, false);
    }

    /// Writes the lines that it has taken, and waits until that is done. It takes none afterwards.
    pub fn close(&self) {
        let mut queue = self.shared.queue();
        (queue.is_open, queue.is_closed) = (false, true);
        drop(queue);
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // If it has panicked, it has reported that itself.
            let _ = thread.join();
        }
    }

    /// The number of lines that were written to files.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// The number of lines that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn clock(&self) -> &LogClock {
        &self.clock
    }

    /// An id for the next request.
    pub(super) fn next_id(&self) -> u64 {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        self.process << REQUEST_BITS | request & ((1 << REQUEST_BITS) - 1)
    }

    /// Takes a line with its newline, or drops it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut queue = self.shared.queue();
        if !queue.is_open {
            return;
        }
        let before = queue.lines.len();
        let after = before + line.len();
        if after > CAPACITY {
            drop(queue);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.lines.extend_from_slice(line);
        drop(queue);
        // Waking the thread is a system call: once for all lines that it takes together.
        if before == 0 || (before < PLENTY && after >= PLENTY) {
            self.shared.changed.notify_one();
        }
    }

    fn change(&self, change: Change, is_open: bool) {
        let mut queue = self.shared.queue();
        if queue.is_closed {
            return;
        }
        queue.is_open = is_open;
        if is_open {
            let missing = CAPACITY.saturating_sub(queue.lines.len());
            queue.lines.reserve_exact(missing);
        }
        let place = queue.lines.len();
        queue.changes.push((place, change));
        drop(queue);
        self.shared.changed.notify_one();
    }
}

impl fmt::Debug for DecisionSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionSink").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Drop for DecisionSink {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // Lines are added whole, whatever a thread does afterwards.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bits of an id that count requests. The others are the process.
const REQUEST_BITS: u32 = 40;

/// The most bytes that wait to be written.
pub(super) const CAPACITY: usize = 8 << 20;

/// So many bytes are written at once.
pub(super) const PLENTY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::mpsc::{self, Receiver},
        time::Duration,
    };

    use tempfile::TempDir;

    use super::*;

    struct Site {
        sink: DecisionSink,
        events: Receiver<SinkEvent>,
        folder: TempDir,
    }

    impl Site {
        fn new() -> Self {
            let (sender, events) = mpsc::channel();
            let heard = move |event| drop(sender.send(event));
            let sink = DecisionSink::new(LogClock::beside_store(), heard);
            Self { sink, events, folder: tempfile::tempdir().unwrap() }
        }

        fn settings(&self) -> DecisionLogSettings {
            DecisionLogSettings::new(self.folder.path().join("logs/decisions.jsonl"))
        }

        fn begin(&self) {
            fs::create_dir_all(self.folder.path().join("logs")).unwrap();
            self.sink.begin(LogFile::open(&self.settings()).unwrap(), "memory", true).unwrap();
        }

        /// Waits for news.
        fn event(&self) -> SinkEvent {
            self.events.recv_timeout(Duration::from_secs(20)).expect("there is news")
        }

        fn read(&self) -> Vec<String> {
            let text = fs::read_to_string(self.settings().path).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn what_was_taken_before_the_end_is_written() {
        let site = Site::new();
        site.sink.push(b"before\n");
        site.begin();
        site.sink.push(b"one\n");
        site.sink.push(b"two\n");
        site.sink.close();
        site.sink.push(b"after\n");
        let lines = site.read();
        assert!(lines[0].starts_with("{\"event\":\"start\",\"time\":\""), "{}", lines[0]);
        assert_eq!(lines[1..], ["one", "two"]);
        assert_eq!((site.sink.written(), site.sink.dropped()), (3, 0));
    }

    #[test]
    fn lines_beyond_the_queue_are_dropped_whole_and_told_once() {
        let site = Site::new();
        // Nothing empties the queue yet.
        fs::create_dir(site.folder.path().join("logs")).unwrap();
        let file = LogFile::open(&site.settings()).unwrap();
        site.sink.change(Change::Begin(Box::new(file), b"start\n".to_vec()), true);
        let line = [&[b'x'; 999][..], b"\n"].concat();
        for _ in 0..CAPACITY / 1000 + 10 {
            site.sink.push(&line);
        }
        assert_eq!(site.sink.dropped(), 10);
        site.begin();
        assert!(matches!(site.event(), SinkEvent::Overflowing));
        site.sink.close();
        let lines = site.read();
        assert_eq!(lines.iter().filter(|line| line.len() == 999).count(), CAPACITY / 1000);
        assert_eq!(lines.len(), CAPACITY / 1000 + 2, "and a start of each file");
    }

    #[test]
    fn a_disk_that_takes_no_lines_is_told_of_once_and_again_when_it_does() {
        let site = Site::new();
        site.begin();
        while site.sink.written() == 0 {
            thread::yield_now();
        }
        fs::remove_dir_all(site.folder.path().join("logs")).unwrap();
        site.sink.push(b"lost\n");
        assert!(matches!(site.event(), SinkEvent::Failing(_)));
        fs::create_dir(site.folder.path().join("logs")).unwrap();
        site.sink.push(b"written\n");
        let SinkEvent::Recovered(lost) = site.event() else { panic!("it is written again") };
        assert!(lost >= 1 && lost == site.sink.dropped());
        site.sink.close();
        assert_eq!(site.read(), ["written"]);
    }

    #[test]
    fn a_log_that_is_turned_off_takes_no_lines_and_can_go_on() {
        let site = Site::new();
        site.begin();
        site.sink.push(b"one\n");
        site.sink.end();
        site.sink.push(b"off\n");
        site.begin();
        site.sink.push(b"two\n");
        site.sink.close();
        let lines = site.read();
        assert_eq!((lines.len(), &*lines[1], &*lines[3]), (4, "one", "two"));
    }

    #[test]
    fn other_sizes_hold_from_then_on() {
        let site = Site::new();
        site.begin();
        site.sink.resize(&DecisionLogSettings { max_size: 4, files: 1, ..site.settings() });
        site.sink.push(b"one\n");
        site.sink.push(b"two\n");
        site.sink.close();
        assert_eq!(site.read(), ["two"]);
    }
}
