//! A replay decides as the live gate did that wrote the log.

#[path = "live_run.rs"]
pub(crate) mod live_run;

use std::io::BufWriter;

use sluicegate_replay::Replay;

use self::live_run::LiveRun;
use crate::desk::{Desk, limit};

#[test]
fn a_replay_of_a_decision_log_decides_as_the_gate_that_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = LiveRun::new(folder.path());
    let log = folder.path().join("decisions.jsonl");
    run.write(20_000, &mut BufWriter::new(std::fs::File::create(&log).unwrap()));
    let (policy, keys) = LiveRun::policy_of(folder.path());
    let report = Replay::new(policy, keys).run(&[log], |_| ()).unwrap();

    assert_eq!((report.requests(), report.changed()), (20_000, 0), "{report}");
    let json = report.to_json();
    assert_eq!(json["log"]["unreadable"], 0, "{json:#}");
    for (name, counted) in run.limits() {
        let limit = limit(&json, name);
        assert_eq!(limit["judged"], counted.judged, "{name}");
        assert_eq!(limit["denied"], counted.denied, "{name}");
        assert!(counted.denied > 20, "{name} denied {} of {}\n{report}", counted.denied, counted.judged);
        let waits: Vec<_> = limit["longest_wait"].as_f64().into_iter().collect();
        assert_eq!(waits, counted.longest_wait().into_iter().collect::<Vec<_>>(), "{name}");
    }
    assert!(run.resets > 20, "accounts were reset {} times", run.resets);
    assert!(run.extensions > 20, "{} responses outgrew their reservations", run.extensions);
}

/// A line of a decision log: the start of a gateway.
fn start(second: u64, process: &str, store: &str, fresh: bool) -> String {
    let time = format!("2026-11-30T18:00:{second:02}.000000000Z");
    format!(
        "{{\"event\":\"start\",\"time\":\"{time}\",\"process\":\"{process}\",\"store\":\"{store}\",\"fresh\":{fresh}}}\n"
    )
}

/// A line of a decision log: a request that was allowed.
fn allowed(second: u64, process: &str) -> String {
    format!(
        "{{\"event\":\"decision\",\"id\":\"{process}00000000{second:02}\",\"time\":\"2026-11-30T18:00:{second:02}.000000000Z\",\
         \"method\":\"GET\",\"route\":\"unmatched\",\"path\":\"/\",\"outcome\":\"allowed\",\"keys\":{{}},\"cost\":{{}},\"limits\":[]}}\n"
    )
}

#[test]
fn gateways_with_accounts_in_memory_are_replayed_apart_and_anew_after_a_restart() {
    let policy = "[defaults]\nlimits = [{ name = \"all\", quota = \"1/hour\", key = \"global\" }]";
    let denied = |store: &str, fresh: bool| {
        let restarted =
            [start(0, "aaaaaa", store, true), allowed(1, "aaaaaa"), start(2, "aaaaaa", store, fresh)]
                .concat();
        let log =
            [restarted, allowed(3, "aaaaaa"), start(4, "bbbbbb", store, true), allowed(5, "bbbbbb")].concat();
        let report = Desk::with("decisions.jsonl", log).replay(policy);
        assert_eq!(report["log"]["unreadable"], 0, "{report:#}");
        limit(&report, "all")["denied"].as_u64().unwrap()
    };
    assert_eq!(denied("memory", true), 0, "each start gives the hour's one request again");
    assert_eq!(denied("memory", false), 1, "a gateway that begins another file has the same accounts");
    assert_eq!(denied("redis", true), 2, "all gateways share the accounts");
}
