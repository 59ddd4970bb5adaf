//! Inputs that nobody should write.

use proptest::prelude::*;
use sluicegate_replay::LogFormat;

use crate::desk::{Desk, replay};

const POLICY: &str = "[[route]]\npath = \"/{*rest}\"\nmeter = { items = \"/inputs\" }
    limits = [\"1/minute\", \"5 items/hour\", { quota = \"2 concurrent\", key = [\"header:x-user\", \"body:/user\"] }]";

/// Texts that look like a log, for the most part.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,60}",
        r#"[0-9.:a-f]{1,20} - - \[[0-9]{1,2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} [+-][0-9]{4}\] "[A-Z]{1,5} /[!-~]{0,20} HTTP/1.1" [0-9]{1,4} [0-9-] "-" "\PC{0,9}""#,
        r#"\[[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}Z\] "[A-Z]{1,5} /[!-~]{0,20} HTTP/1.1" [0-9]{3} - [0-9]{1,20} 3 [0-9]{1,25} 2 "[0-9.,: ]{0,20}" "x" "x" "x" "x""#,
        r#"\{"ts":-?[0-9]{1,12}(\.[0-9]{1,9})?(e[0-9]{1,3})?,"request":\{"method":"[A-Z]{0,4}","uri":"\PC{0,20}"\},"duration":[0-9]{1,30}\}"#,
        r#"\{"event":"(decision|end|extend|start)","id":"[0-9a-g]{0,17}","time":"[0-9TZ:.-]{0,30}","method":"[A-Z]{0,4}","route":"x","path":"/\PC{0,9}","outcome":"(allowed|denied)","keys":\{"header:x-user":"\PC{0,4}"\},"cost":\{"items":[0-9]{1,25}\},"limits":\[\]\}"#,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_a_reader_panic(lines in prop::collection::vec(line(), 0..8), format in 0..7_usize) {
        let formats = ["auto", "combined", "envoy", "caddy", "decisions", "$remote_addr $msec $request", "%START_TIME% %REQ(:PATH)%"];
        let replay = replay(POLICY).format(formats[format].parse::<LogFormat>().unwrap());
        let report = Desk::with("log", lines.join("\n")).replay_by(replay);
        let _ = report.to_json();
        let _ = (report.to_string(), report.plots());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), gzip in any::<bool>()) {
        if gzip {
            bytes.splice(0..0, [0x1f, 0x8b]);
        }
        // An error is an answer, too: bytes that gzip did not write, or columns without a time.
        for name in ["log", "log.csv"] {
            if let Ok(report) = Desk::with(name, &bytes).attempt(replay(POLICY)) {
                prop_assert_eq!(report.requests(), 0);
            }
        }
    }
}

#[test]
fn a_line_of_any_length_is_skipped() {
    let long = "x".repeat(3 << 20);
    let line = "192.0.2.7 - - [30/Nov/2026:18:50:17 +0000] \"GET / HTTP/1.1\" 200 3 \"-\" \"-\"";
    let report = Desk::with("access.log", format!("{long}\n{line}\n")).replay(POLICY);
    assert_eq!(report["requests"]["total"], 1);
    assert_eq!(report["log"]["examples"][0]["reason"], "the line is longer than 1048576 bytes");
}
