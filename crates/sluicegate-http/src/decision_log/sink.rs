//! The decision log of one process.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use sluicegate_policy::DecisionLogSettings;

use super::{
    LogClock,
    backlog::{Backlog, Change, LANES},
    file::LogFile,
    line::Line,
    writer::Writer,
};

/// The decision log of one process: the lines that wait, and the thread that writes them.
///
/// Requests never wait for the disk. If the thread falls behind, or the disk is full, lines are dropped and counted. A line
/// reaches the file within a quarter of a second.
pub struct DecisionSink {
    backlog: Arc<Backlog>,
    clock: LogClock,
    /// The first six digits of the ids of its requests.
    process: u64,
    thread: Mutex<Option<JoinHandle<()>>>,
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
        let backlog = Arc::new(Backlog::new(heard));
        // A number that another process hardly has.
        let process = RandomState::new().hash_one(0) >> REQUEST_BITS;
        Self { backlog, clock, process, thread: Mutex::default() }
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
            let writer = Writer::new(Arc::clone(&self.backlog));
            let named = thread::Builder::new().name("sluicegate-log".to_owned());
            *thread = Some(named.spawn(move || writer.run())?);
        }
        let (time, process) = (self.clock.now(), self.process());
        let start = format!(
            r#"{{"event":"start","time":"{time}","process":"{process}","store":"{store}","fresh":{fresh}}}"#
        );
        self.backlog.change(Change::Begin(Box::new(file), (start + "\n").into_bytes()), true);
        Ok(())
    }

    /// Takes the sizes of these settings for the file that it writes to.
    pub fn resize(&self, settings: &DecisionLogSettings) {
        self.backlog.change(Change::Resize(settings.clone()), true);
    }

    /// Turns the log off, after the lines that it has taken.
    pub fn end(&self) {
        self.backlog.change(Change::End, false);
    }

    /// Writes the lines that it has taken, and waits until that is done. It takes none afterwards.
    pub fn close(&self) {
        self.backlog.close();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // If it has panicked, it has reported that itself.
            let _ = thread.join();
        }
    }

    /// The number of lines that were written to files.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.backlog.written()
    }

    /// The number of lines that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.backlog.dropped()
    }

    /// The first six digits of the ids of its requests.
    pub(super) fn process(&self) -> String {
        format!("{:06x}", self.process)
    }

    pub(super) fn clock(&self) -> &LogClock {
        &self.clock
    }

    /// Has the first line of the next request written, or drops it. Returns the id of the request.
    pub(super) fn first_line(&self, write: impl FnOnce(&mut Line, u64)) -> u64 {
        self.backlog.line(|lane| {
            let request = lane.request(LANES as u64);
            let id = self.process << REQUEST_BITS | request & ((1 << REQUEST_BITS) - 1);
            write(lane.begin(), id);
            id
        })
    }

    /// Has another line written, or drops it.
    pub(super) fn line(&self, write: impl FnOnce(&mut Line)) {
        self.backlog.line(|lane| write(lane.begin()));
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

/// Bits of an id that count requests. The others are the process.
const REQUEST_BITS: u32 = 40;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs, panic,
        sync::mpsc::{self, Receiver},
        time::Duration,
    };

    use tempfile::TempDir;

    use super::*;
    use crate::decision_log::backlog::CAPACITY;

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

        fn push(&self, line: &str) {
            self.sink.line(|written| written.raw(line));
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
        site.push("before");
        site.begin();
        site.push("one");
        site.push("two");
        site.sink.close();
        site.push("after");
        let lines = site.read();
        assert!(lines[0].starts_with("{\"event\":\"start\",\"time\":\""), "{}", lines[0]);
        assert_eq!(lines[1..], ["one", "two"]);
        assert_eq!((site.sink.written(), site.sink.dropped()), (3, 0));
    }

    #[test]
    fn the_lines_of_many_threads_are_whole_and_each_request_has_an_id_of_its_own() {
        let site = Site::new();
        site.begin();
        thread::scope(|scope| {
            // More than there are lanes.
            for _ in 0..24 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        site.sink.first_line(|line, id| line.raw(&format!("request {id:016x}")));
                    }
                });
            }
        });
        site.sink.close();
        let lines = site.read();
        let ids: BTreeSet<_> = lines[1..].iter().filter_map(|line| line.strip_prefix("request ")).collect();
        assert_eq!((lines.len(), ids.len()), (12_001, 12_000));
        assert!(ids.iter().all(|id| id.len() == 16 && id.starts_with(&ids.first().unwrap()[..6])));
    }

    #[test]
    fn a_line_that_is_broken_off_leaves_no_part_of_it() {
        let site = Site::new();
        site.begin();
        site.push("one");
        let broken = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            site.sink.line(|line| {
                line.raw("half of a");
                panic::resume_unwind(Box::new("broken off"));
            });
        }));
        assert!(broken.is_err());
        site.push("two");
        site.sink.close();
        assert_eq!(site.read()[1..], ["one", "two"]);
    }

    #[test]
    fn lines_beyond_the_queue_are_dropped_whole_and_told_once() {
        let site = Site::new();
        // Nothing empties the queue yet.
        fs::create_dir(site.folder.path().join("logs")).unwrap();
        let file = LogFile::open(&site.settings()).unwrap();
        site.sink.backlog.change(Change::Begin(Box::new(file), b"start\n".to_vec()), true);
        let line = "x".repeat(999);
        for _ in 0..CAPACITY / 1000 + 10 {
            site.push(&line);
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
        site.push("lost");
        assert!(matches!(site.event(), SinkEvent::Failing(_)));
        fs::create_dir(site.folder.path().join("logs")).unwrap();
        site.push("written");
        let SinkEvent::Recovered(lost) = site.event() else { panic!("it is written again") };
        assert!(lost >= 1 && lost == site.sink.dropped());
        site.sink.close();
        assert_eq!(site.read(), ["written"]);
    }

    #[test]
    fn a_log_that_is_turned_off_takes_no_lines_and_can_go_on() {
        let site = Site::new();
        site.begin();
        site.push("one");
        site.sink.end();
        site.push("off");
        site.begin();
        site.push("two");
        site.sink.close();
        let lines = site.read();
        assert_eq!((lines.len(), &*lines[1], &*lines[3]), (4, "one", "two"));
    }

    #[test]
    fn other_sizes_hold_from_then_on() {
        let site = Site::new();
        site.begin();
        site.sink.resize(&DecisionLogSettings { max_size: 4, files: 1, ..site.settings() });
        site.push("one");
        site.push("two");
        site.sink.close();
        assert_eq!(site.read(), ["two"]);
    }
}
