//! A million requests, replayed: the time, the memory, and the same decisions as live.
//!
//!     cargo bench -p sluicegate-bench --bench replay [-- REQUESTS]
//!
//! A gate decides random requests on a clock that is moved, with every algorithm, tiers, shadow limits and settlements, and
//! writes its decision log. A fresh process replays that, and an access log of as many requests.

#![expect(clippy::print_stdout, reason = "a report is printed")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot write its input stops there")]

#[path = "../../crates/sluicegate-replay/tests/replay/live_run.rs"]
mod live_run;

use std::{
    env, fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use live_run::LiveRun;
use serde_json::Value;
use sluicegate_policy::{ApiKeys, Policy, Source};
use sluicegate_replay::Replay;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == CHILD) {
        return replay(Path::new(&arguments[place + 1]), &arguments[place + 2]);
    }
    let requests = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let mut run = LiveRun::new(folder.path());
    run.write(
        requests,
        &mut BufWriter::new(fs::File::create(folder.path().join("decisions.jsonl")).unwrap()),
    );
    access_log(requests, &folder.path().join("access.log"));

    println!("| log | seconds | requests a second | resident memory, MB |\n|---|---|---|---|");
    let report = child(folder.path(), "decisions.jsonl");
    assert_eq!(report["requests"]["total"], requests);
    assert_eq!(report["change"]["same"], requests, "each is decided as it was");
    for (name, counted) in run.limits() {
        let limits = report["limits"].as_array().unwrap();
        let limit = limits.iter().find(|limit| limit["limit"] == name).unwrap();
        assert_eq!(
            (&limit["judged"], &limit["denied"]),
            (&counted.judged.into(), &counted.denied.into()),
            "{name}"
        );
        assert_eq!(limit["longest_wait"].as_f64(), counted.longest_wait(), "{name}");
    }
    child(folder.path(), "access.log");
}

/// Replays a log in a fresh process, and prints a line of the table.
fn child(folder: &Path, log: &str) -> Value {
    let output = Command::new(env::current_exe().unwrap())
        .args([CHILD, folder.to_str().unwrap(), log])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let requests = report["requests"]["total"].as_f64().unwrap();
    let (seconds, megabytes) = (report["seconds"].as_f64().unwrap(), report["megabytes"].as_f64().unwrap());
    println!("| {log} | {seconds:.2} | {:.0} | {megabytes:.0} |", requests / seconds);
    report
}

#[expect(clippy::disallowed_methods, reason = "this is where time is measured")]
fn replay(folder: &Path, log: &str) {
    let (policy, keys) = if log == "access.log" {
        (Policy::parse(&Source::new("new.toml", POLICY.as_bytes()).unwrap()).unwrap(), ApiKeys::default())
    } else {
        LiveRun::policy_of(folder)
    };
    let files: [PathBuf; 1] = [folder.join(log)];
    let start = Instant::now();
    let report = Replay::new(policy, keys).run(&files, |_| ()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let mut json = report.to_json();
    json["seconds"] = seconds.into();
    json["megabytes"] = peak().into();
    println!("{json}");
}

/// The most megabytes of memory that this process has had in use.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Writes lines of nginx's log: 300 requests a second of 10,000 clients.
fn access_log(requests: u64, path: &Path) {
    let mut log = BufWriter::new(fs::File::create(path).unwrap());
    for request in 0..requests {
        let (second, client) = (request / 300, request.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 10_000);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        writeln!(
            log,
            "10.0.{}.{} - - [30/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000] \"POST /v1/models/m{}/predict HTTP/1.1\" 200 512 \
             \"-\" \"python-httpx/0.28.1\"",
            client / 250,
            client % 250,
            client % 7
        )
        .unwrap();
    }
}

const CHILD: &str = "--replay";

const POLICY: &str = r#"
[[route]]
path   = "/v1/models/{model}/predict"
limits = [
  { name = "client", quota = "100/minute" },
  { name = "model", quota = "2000/minute", key = "path:model", algorithm = "sliding-window" },
]
"#;
