//! A recording of the answers to many kinds of requests, compared byte by byte.
//!
//! With `SLUICEGATE_RECORD` set the test writes the recording instead.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use serde::Deserialize;
use sluicegate_gateway::Gateway;
use sluicegate_policy::{Policy, Source};

use crate::support::{Client, Nobody, Upstream, soon, until};

#[derive(Deserialize)]
struct Recording {
    policy: String,
    case: Vec<Case>,
}

#[derive(Clone, Deserialize)]
struct Case {
    name: String,
    policy: Option<String>,
    requests: Vec<String>,
    #[serde(default = "up")]
    upstream: String,
    #[serde(default = "both")]
    only: String,
}

fn up() -> String {
    "up".to_owned()
}

fn both() -> String {
    "both".to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_requests_get_the_same_answers_as_ever() {
    let text = fs::read_to_string(file("requests.toml")).expect("it is in the repository");
    let Recording { policy, case: cases } = toml::from_str(&text).expect("it is TOML");
    let cases: Vec<_> = cases.into_iter().filter(|case| case.only != "middleware").collect();
    let kept = fs::read_to_string(file("gateway.txt")).unwrap_or_default();
    let kept: Vec<&str> = kept.split_inclusive(END).collect();
    if env::var_os("SLUICEGATE_RECORD").is_some() {
        let mut answers = String::new();
        for case in &cases {
            answers.push_str(&answered(case, &policy).await);
        }
        return fs::write(file("gateway.txt"), answers).expect("the repository is ours");
    }
    assert_eq!(kept.len(), cases.len(), "as many cases as are kept");
    let runs: Vec<_> = cases
        .into_iter()
        .zip(kept)
        .map(|(case, kept)| tokio::spawn(compare(case, policy.clone(), kept.to_owned())))
        .collect();
    for run in runs {
        run.await.expect("no case differs");
    }
}

/// Time goes on while a case runs, so it may take a few tries on a busy machine until all is within the same second.
async fn compare(case: Case, policy: String, kept: String) {
    let mut answers = answered(&case, &policy).await;
    for _ in 0..5 {
        if answers == kept {
            return;
        }
        answers = answered(&case, &policy).await;
    }
    for (number, (now, then)) in answers.lines().zip(kept.lines()).enumerate() {
        assert_eq!(now, then, "line {} of the case {:?}", number + 1, case.name);
    }
    assert_eq!(answers, kept, "{}", case.name);
}

/// All answers of one case, as they are kept.
async fn answered(case: &Case, default: &str) -> String {
    let upstream = Upstream::start().await;
    let nobody = Nobody::new();
    let address = if case.upstream == "down" { nobody.address } else { upstream.address };
    let gateway = started(case.policy.as_deref().unwrap_or(default), address.port()).await;
    let mut answers = format!("==== {} ====\n", case.name);
    let mut client = Client::connect(gateway.address()).await;
    let mut held = Vec::new();
    for (times, request) in case.requests.iter().map(|request| parts(request)) {
        for _ in 0..times {
            let line = request.lines().next().unwrap_or_default();
            writeln!(answers, "\n---- {line} ----").expect("it is a string");
            let written = written(request);
            if line.ends_with("/slot/hang") {
                let mut holding = Client::connect(gateway.address()).await;
                holding.write(&written).await;
                until(|| upstream.running() > 0).await;
                held.push(holding);
                continue;
            }
            client.write(&written).await;
            let answer = soon(client.raw_answer(line.starts_with("HEAD "))).await;
            answers.push_str(&kept(&answer, address.port()));
            if answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n") {
                client = Client::connect(gateway.address()).await;
            }
        }
    }
    answers + END
}

async fn started(policy: &str, upstream: u16) -> Gateway {
    let keys = file("keys.toml");
    let policy = policy.replace("{keys}", keys.to_str().expect("the repository's path is UTF-8"));
    let own = format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nthreads = 1\nupstream = \"http://127.0.0.1:{upstream}\"\n"
    );
    let text = if policy.contains("[gateway]\n") {
        policy.replace("[gateway]\n", &format!("[gateway]\n{own}"))
    } else {
        format!("[gateway]\n{own}{policy}")
    };
    let source = Source::new("recording.toml", text.as_bytes()).expect("it is small");
    Gateway::start(Policy::parse(&source).expect("it is valid")).await.expect("loopback has free ports")
}

/// The number of times that a request is sent, and the request.
fn parts(request: &str) -> (usize, &str) {
    match request.split_once(' ') {
        Some((times, rest)) if times.parse::<usize>().is_ok() => {
            (times.parse().expect("it has just been parsed"), rest)
        }
        _ => (1, request),
    }
}

/// The bytes of a request.
fn written(request: &str) -> Vec<u8> {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let mut written = format!("{} HTTP/1.1\r\n", lines.next().expect("a request line"));
    let lines: Vec<_> = lines.filter(|line| *line != "X-Request-Id: -").collect();
    let has = |name: &str| head.lines().any(|line| line.starts_with(name));
    if !has("Host: ") {
        written.push_str("Host: models.example\r\n");
    }
    if !has("X-Request-Id: ") {
        written.push_str("X-Request-Id: recorded\r\n");
    }
    if !body.is_empty() {
        write!(written, "Content-Length: {}\r\n", body.len()).expect("it is a string");
    }
    for line in lines {
        write!(written, "{line}\r\n").expect("it is a string");
    }
    [written.as_bytes(), b"\r\n", body.as_bytes()].concat()
}

/// An answer as it is kept: without what is another one each time.
fn kept(answer: &str, upstream: u16) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let mut body = body.replace(&upstream.to_string(), "PORT");
    let mut kept = String::new();
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        let is_id = value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id {
            body = body.replace(value, "ID");
        }
        match name.to_ascii_lowercase().as_str() {
            name if MOMENTS.contains(&name) => writeln!(kept, "{name}: MOMENT"),
            // A wait to the millisecond, kept to the second.
            "grpc-retry-pushback-ms" if value != "-1" => {
                let wait: u64 = value.parse().expect("milliseconds");
                writeln!(kept, "{name}: {}000", wait.div_ceil(1000))
            }
            _ if is_id => writeln!(kept, "{name}: ID"),
            _ => writeln!(kept, "{line}"),
        }
        .expect("it is a string");
    }
    format!("{kept}\n{body}\n")
}

fn file(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sluicegate-policy/tests/recording");
    PathBuf::from(folder).join(name)
}

/// The line behind each case.
const END: &str = "==== end ====\n";

/// Fields that tell a moment, or a wait to the millisecond.
const MOMENTS: [&str; 5] = [
    "date",
    "retry-after-ms",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "anthropic-ratelimit-requests-reset",
];
