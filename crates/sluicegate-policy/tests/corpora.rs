//! The corpora of the fuzz targets in `fuzz/`: each of their inputs, and every one that once broke something.

use std::{fs, panic, path::Path};

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "they are public to the fuzz targets")]
mod properties;

#[test]
fn quotas_read_back_as_they_are_written() {
    holds_for_all("quota", properties::quota);
}

#[test]
fn policies_can_be_shown_and_errors_have_a_place() {
    holds_for_all("policy", properties::policy);
}

#[test]
fn meters_read_what_is_in_the_document() {
    holds_for_all("json_meter", properties::json_meter);
}

#[test]
fn estimates_do_not_depend_on_the_order_of_members() {
    holds_for_all("estimate", properties::estimate);
}

#[test]
fn clients_are_those_that_a_trusted_proxy_names() {
    holds_for_all("forwarding", properties::forwarding);
}

#[test]
fn streams_of_events_have_the_same_usage_at_any_split() {
    holds_for_all("usage_events", properties::usage_events);
}

#[test]
fn lines_have_the_same_usage_at_any_split() {
    holds_for_all("usage_lines", properties::usage_lines);
}

#[test]
fn documents_have_the_usage_that_is_in_them() {
    holds_for_all("usage_json", properties::usage_json);
}

fn holds_for_all(target: &str, property: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).expect("the target has a corpus") {
        let file = entry.expect("the folder can be read").path();
        let input = fs::read(&file).expect("an input can be read");
        let holds = panic::catch_unwind(|| property(&input));
        assert!(holds.is_ok(), "{}", file.display());
        inputs += 1;
    }
    assert!(inputs >= 20, "{inputs} inputs");
}
