//! A site whose decisions are logged.

use std::{
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, request::Parts};
use sluicegate_http::{
    DenialLog, Metering,
    decision_log::{DecisionLog, DecisionSink, LogClock, LogFile, Logged},
};
use sluicegate_policy::{DecisionLogSettings, LogKeys, Pass};
use tempfile::TempDir;

use crate::site::{Site, Store, post};

/// A site whose decisions are logged.
pub(crate) struct Logging {
    pub(crate) site: Site,
    sink: Arc<DecisionSink>,
    folder: TempDir,
}

impl Logging {
    pub(crate) fn new(policy: &str, keys: LogKeys) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut site = Site::new(policy);
        let calendar = SystemTime::UNIX_EPOCH + Duration::new(1_796_061_600, 123_456_789);
        let sink = Arc::new(DecisionSink::new(LogClock::of_store(site.clock.clone(), calendar), |_| ()));
        let settings = DecisionLogSettings::new(folder.path().join("log.jsonl"));
        let file = LogFile::open(&settings).expect("the folder is there");
        sink.begin(file, "memory", true).expect("a thread");
        let (policy, denials) = (site.admission.gate().policy(), DenialLog::new(LogKeys::Hashed));
        let log = DecisionLog::new(Arc::clone(&sink), policy, keys, &denials);
        site.admission = site.admission.with_log(Some(log));
        Self { site, sink, folder }
    }

    pub(crate) fn send(&self, head: &Parts) -> Option<(Box<Pass<Store>>, Logged)> {
        self.send_body(head, b"[1, 2, 3]")
    }

    pub(crate) fn send_body(&self, head: &Parts, body: &'static [u8]) -> Option<(Box<Pass<Store>>, Logged)> {
        let admitted = self.site.send(head, |reading| {
            reading.take(body.into())?;
            reading.end()
        });
        admitted.ok().map(|admitted| (admitted.pass, admitted.logged.expect("decisions are logged")))
    }

    pub(crate) fn chat(&self, max_tokens: u64) -> (Box<Pass<Store>>, Logged) {
        let body = format!(r#"{{"messages":[],"max_tokens":{max_tokens},"stream":true}}"#);
        let mut head = post("/");
        head.headers.insert("content-length", HeaderValue::from(body.len()));
        self.send_body(&head, body.leak().as_bytes()).expect("the quota is large")
    }

    pub(crate) fn end(&self, (pass, logged): (Box<Pass<Store>>, Logged), metering: Metering<Store>) {
        let settled =
            self.site.admission.settle(pass, metering, Some(&logged), |_| panic!("memory never waits"));
        settled.expect("memory never fails");
    }

    /// The lines after the first, when all have been written.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.sink.close();
        let text = fs::read_to_string(self.folder.path().join("log.jsonl")).expect("the log is there");
        assert!(text.ends_with('\n'));
        text.lines().skip(1).map(str::to_owned).collect()
    }
}
