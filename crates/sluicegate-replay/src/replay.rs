//! A replay: logs, decided by a policy.

use std::{path::PathBuf, time::Duration};

use sluicegate::{Clock, SystemClock, Timestamp};
use sluicegate_policy::{ApiKeys, Policy};

use crate::{
    InputError, LogFormat, Report, Wanted, decider::Decider, feed::Feed, input::total_size, queue::Queue,
};

/// A replay: logs, decided by a candidate policy in virtual time.
///
/// The policy's own code decides: routes, keys, tiers, costs and algorithms are those of a live gateway. Accounts are in
/// memory, whatever store the policy names, and begin full. The upstream is taken to be warm.
///
/// ```
/// use sluicegate_policy::{ApiKeys, Policy, Source};
/// use sluicegate_replay::Replay;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("access.log");
/// let lines = r#"192.0.2.7 - - [30/Nov/2026:18:00:00 +0000] "POST /predict HTTP/1.1" 200 12 "-" "curl/8.5.0"
/// 192.0.2.7 - - [30/Nov/2026:18:00:01 +0000] "POST /predict HTTP/1.1" 200 12 "-" "curl/8.5.0"
/// "#;
/// std::fs::write(&log, lines)?;
/// let text = "[[route]]\npath = \"/predict\"\nlimits = [\"1/minute\"]";
/// let policy = Policy::parse(&Source::new("new.toml", text.as_bytes())?)?;
///
/// let report = Replay::new(policy, ApiKeys::default()).run(&[log], |_| ())?;
/// assert_eq!(report.to_json()["limits"][0]["denied"], 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Replay {
    policy: Policy,
    api_keys: ApiKeys,
    format: LogFormat,
    wanted: Wanted,
    denials: Option<f64>,
    keys: usize,
}

/// The progress of a replay.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Requests that were decided.
    pub requests: u64,
    /// Bytes that were read, as they are in the files.
    pub bytes: u64,
    /// The bytes of all files. `None` if one has no size, such as standard input.
    pub of_bytes: Option<u64>,
    /// The time that it has taken until now.
    pub elapsed: Duration,
}

impl Replay {
    /// A replay by a policy, with the API keys of its file.
    #[must_use]
    pub fn new(policy: Policy, api_keys: ApiKeys) -> Self {
        let wanted = Wanted::by(&policy);
        Self { policy, api_keys, format: LogFormat::Auto, wanted, denials: None, keys: KEYS }
    }

    /// Reads logs of this format. Otherwise each file's format is found out.
    #[must_use]
    pub fn format(self, format: LogFormat) -> Self {
        Self { format, ..self }
    }

    /// Finds a field in the column or variable of this name.
    #[must_use]
    pub fn field(mut self, field: crate::Field, name: impl Into<String>) -> Self {
        self.wanted.fields.push((field, name.into()));
        self
    }

    /// Takes records without a path for this request.
    #[must_use]
    pub fn request(mut self, method: http::Method, uri: http::Uri) -> Self {
        self.wanted.request = Some((method, uri));
        self
    }

    /// Searches the quota with which each limit denies at most this share of its requests, from 0 to 1.
    #[must_use]
    pub fn denials(self, share: f64) -> Self {
        Self { denials: Some(share), ..self }
    }

    /// Tells so many of the keys that each limit denies most. Defaults to 5.
    #[must_use]
    pub fn keys(self, keys: usize) -> Self {
        Self { keys, ..self }
    }

    /// Decides all requests of these files, in the order of time. `-` is standard input, and files may be compressed by
    /// gzip.
    ///
    /// `progress` is called some ten times a second.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or is not of the format. A line that cannot be read is no error: it is counted, and the
    /// first of them are in the report.
    pub fn run(self, files: &[PathBuf], mut progress: impl FnMut(&Progress)) -> Result<Report, InputError> {
        let of_bytes = total_size(files);
        // Its epoch is now.
        let clock = SystemClock::new();
        let mut told = Timestamp::EPOCH;
        let mut decider = Decider::new(self.policy, self.api_keys, self.denials.is_some());
        let mut queue = Queue::default();
        let reading = Feed::new(files, &self.format, &self.wanted).each(|events, bytes| {
            for event in events {
                queue.push(event);
                while let Some(event) = queue.pop_due() {
                    decider.take(event);
                }
            }
            if clock.now().since(told) >= BETWEEN {
                told = clock.now();
                let elapsed = told.since(Timestamp::EPOCH);
                progress(&Progress { requests: decider.requests(), bytes, of_bytes, elapsed });
            }
        })?;
        while let Some(event) = queue.pop() {
            decider.take(event);
        }
        decider.finish();
        Ok(Report::of(&decider, reading, self.keys, self.denials))
    }
}

const KEYS: usize = 5;

const BETWEEN: Duration = Duration::from_millis(100);
