//! The lines of the decision log.

use std::{
    fs,
    task::{Context, Waker},
    time::Duration,
};

use http::{HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;
use sluicegate_http::{
    Metering,
    decision_log::{Decision, End, Outcome, Record},
};
use sluicegate_policy::{LogKeys, Mode, Refusal};

use crate::{
    again::Again,
    logging::Logging,
    site::{PEER, post},
};

const DECISION: &str = r#"{"event":"decision","id":"a1b2c30000000001","time":"2026-11-30T18:00:00.123456789Z","method":"POST","route":"/v1/chat/completions","path":"/v1/chat/completions","outcome":"allowed","keys":{"client_ip":"11f0b8b4d7a3c2e5","tenant":"acme","tier":"free"},"cost":{"requests":1,"tokens":812},"limits":[{"name":"rpm","mode":"enforce","key":"535bddf52aac3191","charge":1,"allowed":true,"remaining":59,"wait":0.0},{"name":"tpm","mode":"shadow","key":"aa5bddf52aac3191","charge":812,"allowed":false,"remaining":3,"wait":1.25,"after_ns":83}]}"#;
const EXTEND: &str = r#"{"event":"extend","id":"a1b2c30000000001","time":"2026-11-30T18:00:01.000000000Z","limits":[{"name":"tpm","charge":256}]}"#;
const END: &str = r#"{"event":"end","id":"a1b2c30000000001","time":"2026-11-30T18:00:02.000000000Z","status":200,"complete":true,"duration":1.876543211,"limits":[{"name":"tpm","charge":433}],"tokens":{"input":400,"output":33}}"#;
const START: &str = r#"{"event":"start","time":"2026-11-30T17:59:59.000000000Z","process":"a1b2c3","store":"memory","fresh":true}"#;

const RESET: &str = r#"{"event":"reset","time":"2026-11-30T18:00:03.000000000Z","process":"a1b2c3","accounts":["rpm|client_ip=11f0b8b4d7a3c2e5","all"]}"#;

#[test]
fn each_kind_of_line_reads_back() {
    for line in [START, DECISION, EXTEND, END, RESET] {
        let record = Record::parse(line).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
    }
    let Ok(Record::Decision(decision)) = Record::parse(DECISION) else { panic!("it is a decision") };
    assert_eq!(decision.outcome, Outcome::Allowed);
    assert_eq!(decision.keys.get("tenant"), Some("acme"));
    assert_eq!(decision.keys.get("api_key"), None);
    let in_shadow = &decision.limits[1];
    assert_eq!((in_shadow.mode, in_shadow.wait, in_shadow.after_ns), (Mode::Shadow, Some(1.25), 83));
}

#[test]
fn lines_that_another_program_has_rewritten_are_read_all_the_same() {
    for line in [START, DECISION, EXTEND, END, RESET] {
        // It sorts the members, and puts the escape of one character into a key.
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let rewritten = serde_json::to_string_pretty(&value).unwrap().replace("acme", "\\u0061cme");
        assert_eq!(Record::parse(&rewritten).unwrap(), Record::parse(line).unwrap());
    }
}

#[test]
fn a_torn_line_is_no_record() {
    for length in 0..DECISION.len() {
        assert!(Record::parse(&DECISION[..length]).is_err(), "{length}");
    }
}

#[test]
fn the_published_schema_is_that_of_the_lines() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/decision-log.schema.json");
    let schema = format!("{:#}\n", sluicegate_http::decision_log::schema());
    assert_eq!(
        fs::read_to_string(path).unwrap_or_default(),
        schema,
        "write it to docs/decision-log.schema.json"
    );
}

#[test]
fn a_decision_has_every_fact_that_it_depended_on() {
    let logging = Logging::new(LIMITS, LogKeys::Plain);
    logging.site.clock.advance(Duration::from_nanos(7));
    let mut head = post("/models/iris?secret=1");
    head.headers.insert("x-user", HeaderValue::from_bytes("caf\u{e9} \"x\"".as_bytes()).unwrap());
    logging.send(&head).unwrap();
    let decision = decision(&logging.lines()[0]);
    assert_eq!(decision["time"], "2026-11-30T18:00:00.123456796Z");
    assert_eq!(
        without(decision, &["id", "time", "event"]),
        serde_json::json!({
            "method": "POST", "route": "/models/{model}", "path": "/models/iris", "outcome": "allowed",
            "keys": { "client_ip": "127.0.0.1", "tier": "default", "header:x-user": "caf\u{e9} \"x\"", "path:model": "iris" },
            "cost": { "requests": 2, "items": 3 },
            "limits": [
                { "name": "a", "mode": "enforce", "key": "a|header:x-user=caf%C3%A9%20\"x\"|path:model=iris",
                  "charge": 2, "allowed": true, "remaining": 8, "wait": 0 },
                { "name": "b", "mode": "shadow", "key": "b|client_ip=127.0.0.1",
                  "charge": 3, "allowed": true, "remaining": 2, "wait": 0 },
            ],
        })
    );
}

#[test]
fn denials_and_refusals_are_logged_with_their_reason() {
    let logging = Logging::new(LIMITS, LogKeys::Hashed);
    for _ in 0..6 {
        logging.send(&post("/models/iris"));
    }
    let mut compressed = post("/models/iris");
    compressed.headers.insert("content-encoding", HeaderValue::from_static("gzip"));
    logging.send(&compressed);
    logging.send(&post("/models//iris"));
    let lines = logging.lines();
    let parsed: Vec<_> = lines.iter().map(|line| read(line)).collect();
    let shadow = &parsed[1].limits[1];
    assert_eq!((shadow.allowed, shadow.charge, shadow.wait), (false, 3, Some(12.0)));
    let denied = &parsed[5];
    assert_eq!((denied.outcome, denied.status, denied.limits.len()), (Outcome::Denied, Some(429), 1));
    let limit = &denied.limits[0];
    assert_eq!((limit.allowed, limit.remaining, limit.wait), (false, 0, Some(12.0)));
    for (refused, status, error) in [(&parsed[6], 415, "encoded_body"), (&parsed[7], 400, "ambiguous_path")] {
        assert_eq!((refused.outcome, refused.status), (Outcome::Refused, Some(status)));
        assert_eq!(refused.error.as_deref(), Some(error));
        assert!(refused.limits.is_empty());
        let client = |decision: &Decision<'_>| decision.keys.get("client_ip").map(str::to_owned);
        assert_eq!(client(refused), client(&parsed[0]), "the same client has the same hash");
    }
    assert!(!lines.concat().contains(&PEER.to_string()));
}

#[test]
fn the_end_of_a_request_has_its_status_and_its_time() {
    let logging = Logging::new(LIMITS, LogKeys::Hashed);
    for end in 0..3 {
        let (pass, mut logged) = logging.send(&post("/models/iris")).unwrap();
        logging.site.clock.advance(Duration::from_millis(1500));
        match end {
            0 => {
                logged.answered(StatusCode::NOT_FOUND);
                logged.complete();
            }
            1 => logged.failed(&Refusal::UpstreamDown),
            _ => {}
        }
        logging.end((pass, logged), Metering::Unanswered);
    }
    let lines = logging.lines();
    let ends: Vec<_> = lines.iter().skip(1).step_by(2).map(|line| end(line)).collect();
    assert!(ends.iter().all(|end| (end.duration, end.limits.len(), end.tokens) == (1.5, 0, None)));
    let told = ends.iter().map(|end| (end.status, end.error.as_deref(), end.complete)).collect::<Vec<_>>();
    assert_eq!(
        told,
        [(Some(404), None, true), (Some(502), Some("upstream_down"), false), (None, None, false)]
    );
    assert_eq!(end(&lines[1]).id, read(&lines[0]).id);
}

#[test]
fn accounts_that_are_reset_are_logged_by_the_values_of_their_keys() {
    for keys in [LogKeys::Plain, LogKeys::Hashed] {
        let logging = Logging::new(LIMITS, keys);
        let mut head = post("/models/iris");
        head.headers.insert("x-user", HeaderValue::from_static("ann"));
        logging.send(&head).unwrap();
        let admission = &logging.site.admission;
        let accounts = admission.gate().accounts("a|header:x-user=ann|path:model=iris", None);
        pollster::block_on(admission.reset(&accounts)).unwrap();
        let lines = logging.lines();
        let decision = read(&lines[0]);
        let Ok(Record::Reset(reset)) = Record::parse(lines.last().unwrap()) else { panic!("{lines:?}") };
        let user = decision.keys.get("header:x-user").unwrap();
        assert_eq!(user == "ann", keys == LogKeys::Plain);
        assert_eq!(reset.accounts, [format!("a|header:x-user={user}|path:model=iris")]);
        assert!(reset.time >= decision.time && decision.id.starts_with(&*reset.process));
    }
}

#[test]
fn tokens_that_are_taken_on_the_way_and_settled_are_logged() {
    let logging = Logging::new(TOKENS, LogKeys::Hashed);
    let (mut pass, mut logged) = logging.chat(10);
    let mut metering = Metering::default();
    let head =
        Response::builder().header("content-type", "text/event-stream").body(()).unwrap().into_parts().0;
    metering.answered(&pass, &head);
    logged.answered(head.status);
    logging.site.clock.advance(Duration::from_secs(1));
    for _ in 0..11 {
        metering.data(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n");
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(logging.site.admission.extend(&mut pass, &mut metering, Some(&logged), cx).is_none());
    }
    logging.end((pass, logged), metering);
    let lines = logging.lines();
    let Ok(Record::Extend(extend)) = Record::parse(&lines[1]) else { panic!("{}", lines[1]) };
    assert_eq!((&*extend.limits[0].name, extend.limits[0].charge, extend.limits.len()), ("tpd", 50, 1));
    let (decision, end) = (read(&lines[0]), end(&lines[2]));
    assert_eq!(extend.time.nanoseconds() - decision.time.nanoseconds(), 1_000_000_000);
    let tokens = end.tokens.unwrap();
    assert_eq!((tokens.output, end.limits[0].charge), (11, tokens.input + 11));
    assert_eq!(decision.cost.output_tokens, Some(10));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_a_client_sends_every_line_reads_back(
        path in "(/[ -~\u{80}-\u{ff}]{0,12}){1,3}",
        user in prop::collection::vec(any::<u8>().prop_filter("no control", |byte| *byte >= 32 && *byte != 127), 0..20),
        plain in any::<bool>(),
    ) {
        let keys = if plain { LogKeys::Plain } else { LogKeys::Hashed };
        let logging = Logging::new(LIMITS, keys);
        let Ok(request) = Request::post(path.as_str()).header("content-length", 9).body(()) else { return Ok(()) };
        let (mut head, ()) = request.into_parts();
        head.headers.insert("x-user", HeaderValue::from_bytes(&user).unwrap());
        let sent = head.uri.path().to_owned();
        if let Some(passed) = logging.send(&head) {
            logging.end(passed, Metering::Unanswered);
        }
        for line in logging.lines() {
            // Nothing is lost, and nothing is there that the types do not know.
            let record = Record::parse(&line).unwrap();
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let again: serde_json::Value = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
            prop_assert_eq!(floats(again), floats(value));
            if let Record::Decision(decision) = record {
                prop_assert_eq!(&*decision.path, &*sent);
                if let (Some(told), Ok(user)) = (decision.keys.get("header:x-user"), std::str::from_utf8(&user))
                    && plain
                {
                    prop_assert_eq!(told, user);
                }
            }
        }
    }

    #[test]
    fn the_log_has_all_that_its_decisions_take_again(
        steps in prop::collection::vec((0..4_u8, 0..3_u8, 0..3_000_000_000_u64), 1..120),
    ) {
        let logging = Logging::new(EVERY_ALGORITHM, LogKeys::Hashed);
        let policy = logging.site.admission.gate().policy().clone();
        let mut running = Vec::new();
        for (what, user, nanoseconds) in steps {
            logging.site.clock.advance(Duration::from_nanos(nanoseconds));
            if what == 0 && !running.is_empty() {
                logging.end(running.swap_remove(usize::from(user) % running.len()), Metering::Unanswered);
            } else {
                let mut head = post("/models/iris");
                head.headers.insert("x-user", HeaderValue::from(u16::from(user)));
                running.extend(logging.send(&head));
            }
        }
        running.into_iter().for_each(|passed| logging.end(passed, Metering::Unanswered));
        let mut again = Again::new(policy);
        for line in logging.lines() {
            again.take(&line);
        }
    }
}

fn read(line: &str) -> Decision<'_> {
    let Ok(Record::Decision(decision)) = Record::parse(line) else { panic!("{line}") };
    decision
}

fn end(line: &str) -> End<'_> {
    let Ok(Record::End(end)) = Record::parse(line) else { panic!("{line}") };
    end
}

fn decision(line: &str) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(value["event"], "decision");
    value
}

fn without(mut value: serde_json::Value, members: &[&str]) -> serde_json::Value {
    let object = value.as_object_mut().expect("an object");
    object.retain(|name, _| !members.contains(&&**name));
    value
}

/// The same with all numbers alike: 1 and 1.0 are one.
fn floats(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(values) => values.into_iter().map(floats).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, floats(value))).collect(),
        other => other,
    }
}

const LIMITS: &str = r#"
[[route]]
path   = "/models/{model}"
weight = 2
meter  = { items = "" }
limits = [
  { name = "a", quota = "10/minute", key = ["header:x-user", "path:model"] },
  { name = "b", quota = "5 items/minute", key = "client_ip", mode = "shadow" },
]
"#;

const TOKENS: &str = r#"
[[route]]
path   = "/"
meter  = { tokens = "openai", default_output = 50 }
limits = [{ name = "tpd", quota = "1000 tokens/day", key = "global" }, { name = "slots", quota = "3 concurrent", key = "global" }]
"#;

const EVERY_ALGORITHM: &str = r#"
[[route]]
path   = "/models/{model}"
limits = [
  { name = "bucket", quota = "20/minute", key = "header:x-user" },
  { name = "fixed", quota = "9/10 seconds", key = "header:x-user", algorithm = "fixed-window" },
  { name = "sliding", quota = "30/minute", key = "client_ip", algorithm = "sliding-window" },
  { name = "log", quota = "40/minute", key = "path:model", algorithm = "sliding-log" },
  { name = "slots", quota = "8 concurrent", key = "header:x-user" },
  { name = "shadow", quota = "5/minute", key = "header:x-user", mode = "shadow" },
]
"#;
