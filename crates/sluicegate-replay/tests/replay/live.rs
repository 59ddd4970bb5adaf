//! A replay decides as the live gate did that wrote the log.

#[path = "live_run.rs"]
pub(crate) mod live_run;

use std::io::BufWriter;

use sluicegate_replay::Replay;

use self::live_run::LiveRun;
use crate::desk::limit;

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
    assert!(run.extensions > 20, "{} responses outgrew their reservations", run.extensions);
}
