//! Responses that no good server sends.

use sluicegate_policy::Dialect;

use crate::answer::{Answer, EVENTS, JSON, LINES};

fn json(body: &str) -> String {
    Answer::new(Dialect::OpenAi, JSON, body).usage()
}

#[test]
fn a_number_that_makes_no_sense_is_ignored_and_the_others_count() {
    for nonsense in [
        "-1",
        "null",
        "true",
        "9223372036854775808",
        "18446744073709551616",
        "1e300",
        "1e-3",
        "2.5",
        "\"\"",
        "\"-3\"",
        "\"many\"",
        "[]",
        "[4]",
        "{}",
        "{\"completion_tokens\":4}",
        "NaN",
        "0x10",
        "--",
        "99999999999999999999999999999999",
        "1000000000000000",
    ] {
        let body = format!(
            r#"{{"usage":{{"completion_tokens":{nonsense},"prompt_tokens":8,"extra":[[{{"a":{nonsense}}}]]}}}}"#
        );
        assert_eq!(json(&body), "counted input 8", "{nonsense}");
    }
    for (number, tokens) in [("\"7\"", 7), ("7.0", 7), ("7e0", 7), ("0.7e1", 7), ("1048576", 1_048_576)] {
        let body = format!(r#"{{"usage":{{"completion_tokens":{number},"prompt_tokens":8}}}}"#);
        assert_eq!(json(&body), format!("input 8, output {tokens}"), "{number}");
    }
}

#[test]
fn a_report_that_makes_no_sense_leaves_the_one_before() {
    let good = r#"{"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":2}}"#;
    for later in [
        r#""usage":null"#,
        r#""usage":{}"#,
        r#""usage":[]"#,
        r#""usage":"x""#,
        r#""usage":{"prompt_tokens":null,"completion_tokens":-1}"#,
    ] {
        let usage = Answer::events(Dialect::OpenAi, &[good, &format!("{{{later}}}")]).usage();
        assert_eq!(usage, "input 8, output 2", "{later}");
    }
}

#[test]
fn usage_elsewhere_is_no_usage() {
    for body in [
        r#"{"choices":[{"message":{"content":"{\"usage\":{\"prompt_tokens\":8}}"}}]}"#,
        r#"{"metadata":{"usage":{"prompt_tokens":8,"completion_tokens":2}}}"#,
        r#"{"a":"\"usage\":{\"prompt_tokens\":8}","b":"\\","c":["\\\"",{"usage":{"prompt_tokens":8}}]}"#,
        r#""usage""#,
        "[\"usage\",{\"prompt_tokens\":8}]",
    ] {
        assert!(json(body).starts_with("counted input 1000"), "{body}: {}", json(body));
    }
}

#[test]
fn escaped_names_are_read_as_clients_read_them() {
    assert_eq!(json(r#"{"\u0075sage":{"prompt\u005ftokens":8,"completion_tokens":2}}"#), "input 8, output 2");
    assert_eq!(json(r#"{"usage\"":{"prompt_tokens":8}}"#), "counted input 1000");
}

#[test]
fn parts_that_exceed_the_whole_are_cut_to_it() {
    let usage = r#"{"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6,"audio_tokens":9},
        "completion_tokens_details":{"reasoning_tokens":9}}}"#;
    assert_eq!(json(usage), "cached_input 6, audio_input 4, reasoning 4");
}

#[test]
fn a_deep_or_long_document_is_read_to_its_end() {
    let usage = r#""usage":{"prompt_tokens":8,"completion_tokens":2}"#;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = "0.0123456789,".repeat(800_000);
    let text = "x\\\"{[".repeat(100_000);
    for filler in [deep.clone(), format!("[{long}1]"), format!("\"{text}\"")] {
        assert_eq!(json(&format!("{{\"data\":{filler},{usage}}}")), "input 8, output 2");
        assert_eq!(json(&format!("{{{usage},\"data\":{filler}}}")), "input 8, output 2");
    }
    let within = format!(r#"{{"choices":[{{"message":{{"content":{deep}}}}}],{usage}}}"#);
    assert_eq!(json(&within), "input 8, output 2");
}

#[test]
fn thousands_of_choices_are_counted() {
    let choices: Vec<_> =
        (0..5000).map(|index| format!(r#"{{"index":{index},"delta":{{"content":"a"}}}}"#)).collect();
    let body = format!(r#"{{"choices":[{}]}}"#, choices.join(","));
    assert_eq!(Answer::events(Dialect::OpenAi, &[&body]).usage(), "counted input 1000, output 5000");
}

#[test]
fn nothing_breaks_on_scraps() {
    let scraps = [
        "",
        "{",
        "}",
        "]]]",
        "\"",
        "\\",
        "{\"",
        "{\"usage\"",
        "{\"usage\":",
        "{\"usage\":{\"prompt_tokens\":",
        "{{{",
        "[,,]",
        "\u{0}",
        "data:",
        "\n\n",
    ];
    for dialect in Dialect::ALL {
        for content_type in [JSON, EVENTS, LINES, "text/plain", "image/png"] {
            for first in scraps {
                for second in scraps {
                    let usage = Answer::new(dialect, content_type, &format!("{first}{second}")).usage();
                    assert!(usage.starts_with("counted input 1000"), "{usage}");
                }
            }
        }
    }
    // A number that is cut is no number.
    assert_eq!(json(r#"{"usage":{"completion_tokens":2,"prompt_tokens":12"#), "counted input 1000, output 2");
}
