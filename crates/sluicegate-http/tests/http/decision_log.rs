//! The lines of the decision log.

use sluicegate_http::decision_log::{Outcome, Record};
use sluicegate_policy::Mode;

const DECISION: &str = r#"{"event":"decision","id":"a1b2c30000000001","time":"2026-11-30T18:00:00.123456789Z","method":"POST","route":"/v1/chat/completions","path":"/v1/chat/completions","outcome":"allowed","keys":{"client_ip":"11f0b8b4d7a3c2e5","tenant":"acme","tier":"free"},"cost":{"requests":1,"tokens":812},"limits":[{"name":"rpm","mode":"enforce","key":"535bddf52aac3191","charge":1,"allowed":true,"remaining":59,"wait":0.0},{"name":"tpm","mode":"shadow","key":"aa5bddf52aac3191","charge":812,"allowed":false,"remaining":3,"wait":1.25,"after_ns":83}]}"#;
const EXTEND: &str = r#"{"event":"extend","id":"a1b2c30000000001","time":"2026-11-30T18:00:01.000000000Z","limits":[{"name":"tpm","charge":256}]}"#;
const END: &str = r#"{"event":"end","id":"a1b2c30000000001","time":"2026-11-30T18:00:02.000000000Z","status":200,"complete":true,"duration":1.876543211,"limits":[{"name":"tpm","charge":433}],"tokens":{"input":400,"output":33}}"#;
const START: &str = r#"{"event":"start","time":"2026-11-30T17:59:59.000000000Z","process":"a1b2c3","store":"memory","fresh":true}"#;

#[test]
fn each_kind_of_line_reads_back() {
    for line in [START, DECISION, EXTEND, END] {
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
    for line in [START, DECISION, EXTEND, END] {
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
