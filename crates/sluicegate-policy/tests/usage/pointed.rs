//! Answers of servers whose policy says where their tokens are.

use proptest::prelude::*;
use sluicegate_policy::{Policy, Source, TokenMeter, UsageReader};

use crate::answer::{Answer, EVENTS, JSON, LINES, described};

/// Triton's generate extension with its vLLM backend: each event counts its own tokens.
const TRITON: &str = r#"prompt = "/text_input", text = "/text_output", usage = { input = "/num_input_tokens", output = "/num_output_tokens" }, summed = ["output"]"#;
/// A server that tells its stream's usage in its last event, and in another place than that of a plain answer.
const STATS: &str = r#"prompt = "/prompt", text = ["/text", "/delta/text"], usage = { input = ["/stats/in", "/done/stats/in"], output = ["/stats/out", "/done/stats/out"], cached_input = "/stats/cached", reasoning = "/stats/thought" }"#;

fn meter(table: &str) -> TokenMeter {
    let text = format!("[[route]]\npath = \"/a\"\nmeter = {{ tokens = \"json\", {table} }}\nlimits = []");
    let policy = Source::new("p.toml", text.as_bytes()).and_then(|source| Policy::parse(&source));
    let policy = policy.unwrap_or_else(|error| panic!("{error}"));
    policy.routes.as_slice()[0].meter().tokens().expect("it has one").clone()
}

fn reader(table: &str, answer: &Answer) -> UsageReader {
    meter(table).usage_reader(&answer.head, &answer.estimate)
}

fn usage(table: &str, answer: &Answer) -> String {
    let mut reader = reader(table, answer);
    answer.pieces.iter().for_each(|piece| reader.data(piece));
    described(&reader)
}

/// An answer whose dialect does not matter.
fn answer(content_type: &str, body: &str) -> Answer {
    Answer::new(sluicegate_policy::Dialect::OpenAi, content_type, body)
}

fn of_json(table: &str, body: &str) -> String {
    usage(table, &answer(JSON, body))
}

fn of_events(table: &str, data: &[&str]) -> String {
    let events: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    usage(table, &answer(EVENTS, &events))
}

#[test]
fn a_document_is_charged_by_the_numbers_that_the_policy_points_to() {
    let body = r#"{"model_name":"m","text_output":"Hi there","num_input_tokens":7,"num_output_tokens":3,"usage":{"prompt_tokens":99}}"#;
    assert_eq!(of_json(TRITON, body), "input 7, output 3");
    let body = r#"{"stats": {"in": 100, "cached": 60, "out": 50, "thought": 20}, "text": "Hi"}"#;
    assert_eq!(of_json(STATS, body), "input 40, cached_input 60, output 30, reasoning 20");
}

#[test]
fn names_and_indices_are_those_of_json_pointers() {
    let table = r#"prompt = "/p", usage = { input = "/a~1b/1/n~0", output = "/0/1" }"#;
    assert_eq!(
        of_json(table, r#"{"a/b": [{"n~": 1}, {"n~": 2, "x": [[], {}]}], "0": [8, 9, 10]}"#),
        "input 2, output 9"
    );
    assert_eq!(of_json(table, r#"{"a\/b": {"1": {"\u006e~": 2}}, "0": {"1": 9}}"#), "input 2, output 9");
    let of_array = r#"prompt = "/p", usage = { input = "/0/n", output = "/1/n" }"#;
    assert_eq!(of_json(of_array, r#"[{"n": 4, "m": [1, 2]}, {"n": 5}, {"n": 6}]"#), "input 4, output 5");
    let none = "counted input 1000";
    for body in [r#"{"a/b": [0, 2], "0": 9}"#, r#"{"a": {"b": [{"n~": 1}, {"n~": 2}]}}"#, "[]", "7", ""] {
        assert_eq!(of_json(table, body), none, "{body}");
    }
}

#[test]
fn the_last_number_of_a_stream_wins_field_by_field() {
    let data = [
        r#"{"delta":{"text":"a b"},"stats":{"in":10,"out":1}}"#,
        r#"{"delta":{"text":" c"},"stats":{"out":2}}"#,
        r#"{"done":{"stats":{"out":5}}}"#,
        "[DONE]",
    ];
    assert_eq!(of_events(STATS, &data), "input 10, output 5");
    assert_eq!(of_events(STATS, &data[..2]), "input 10, output 2");
    let lines = data.join("\r\n");
    assert_eq!(usage(STATS, &answer(LINES, &lines)), "input 10, output 5");
}

#[test]
fn the_first_byte_tells_the_form_of_an_answer_whose_content_type_does_not() {
    let document = r#"{"stats":{"in":10,"out":2}}"#;
    let lines = format!("{{\"text\":\"a\"}}\n{document}\n");
    let events = format!(": hello\n\ndata: {document}\n\n");
    for content_type in ["", "text/plain; charset=utf-8", "text/html"] {
        for body in [document, &lines, &events] {
            assert_eq!(
                usage(STATS, &answer(content_type, body)),
                "input 10, output 2",
                "{content_type}: {body}"
            );
        }
        let page = usage(STATS, &answer(content_type, "Service Unavailable"));
        assert_eq!(page, "counted input 1000", "{content_type}");
    }
}

#[test]
fn numbers_of_which_each_event_has_its_own_are_added_up() {
    let event = r#"{"text_output":" word","num_input_tokens":9,"num_output_tokens":2}"#;
    assert_eq!(of_events(TRITON, &[event; 5]), "input 9, output 10");
    assert_eq!(of_json(TRITON, event), "input 9, output 2");
}

#[test]
fn output_that_no_number_covers_is_counted_from_its_text() {
    let word = r#"{"text_output":" word"}"#;
    assert_eq!(of_events(TRITON, &[word; 3]), "counted input 1000, output 3");
    assert_eq!(
        of_events(TRITON, &[word, r#"{"num_output_tokens":4}"#, word]),
        "counted input 1000, output 5"
    );
    assert_eq!(of_json(TRITON, r#"{"text_output":["one", ["two"]]}"#), "counted input 1000, output 2");
    // Numbers are tokens that nobody has turned into text.
    assert_eq!(of_json(TRITON, r#"{"text_output":[[11,12,13], -1, "x"]}"#), "counted input 1000, output 4");
    assert_eq!(of_events(TRITON, &[r#"{"text_output":[11,12]}"#; 3]), "counted input 1000, output 6");
    assert_eq!(of_events(TRITON, &[r#"{"text_output":["a", 12]}"#; 4]), "counted input 1000, output 8");
    assert_eq!(of_json(TRITON, r#"{"text_output":{"text":"no"}}"#), "counted input 1000");
}

#[test]
fn classes_are_inside_or_beside_as_the_policy_says() {
    let inside = r#"prompt = "/p", usage = { input = "/i", output = "/o", cached_input = "/c", cache_write = "/w", audio_input = "/a", image_output = "/g", reasoning = "/r" }"#;
    let body = r#"{"i": 100, "o": 50, "c": 10, "w": 20, "a": 30, "g": 5, "r": 15}"#;
    assert_eq!(
        of_json(inside, body),
        "input 40, cached_input 10, cache_write 20, audio_input 30, output 30, reasoning 15, image_output 5"
    );
    let beside = format!(r#"{inside}, beside = ["cached_input", "cache_write", "reasoning"]"#);
    assert_eq!(
        of_json(&beside, body),
        "input 70, cached_input 10, cache_write 20, audio_input 30, output 45, reasoning 15, image_output 5"
    );
    // What is inside cannot be more than the whole.
    assert_eq!(of_json(inside, r#"{"i": 5, "o": 1, "c": 50}"#), "cached_input 5, output 1");
}

#[test]
fn a_total_stands_in_for_the_number_that_is_not_reported() {
    let table = r#"prompt = "/p", text = "/text", usage = { total = "/t", output = "/o", reasoning = "/r" }, beside = ["reasoning"]"#;
    assert_eq!(of_json(table, r#"{"t": 100, "o": 30, "r": 20}"#), "input 50, output 30, reasoning 20");
    let table = r#"prompt = "/p", usage = { total = "/t", input = "/i" }"#;
    assert_eq!(of_json(table, r#"{"t": 100, "i": 30}"#), "input 30, output 70");
}

#[test]
fn what_is_no_number_of_tokens_reports_nothing() {
    for value in ["-3", "1.5", "null", "true", "{}", "[7]", "\"x\"", "1e30"] {
        let body = format!(r#"{{"num_input_tokens": 7, "num_output_tokens": {value}, "text_output": "a"}}"#);
        assert_eq!(of_json(TRITON, &body), "counted input 7, output 1", "{value}");
    }
    assert_eq!(
        of_json(TRITON, r#"{"num_input_tokens": "7", "num_output_tokens": 2.0}"#),
        "input 7, output 2"
    );
}

#[test]
fn the_model_of_a_meter_that_counts_no_output_makes_none() {
    let table = r#"prompt = "/text", usage = { input = "/tokens" }"#;
    let estimate = meter(table).estimate("/v1/vectors", br#"{"text": ["a b", "c"]}"#).unwrap();
    assert!(estimate.is_without_output && estimate.prompts == 2, "{estimate:?}");
    let answer = Answer { estimate, ..answer(JSON, r#"{"tokens": 4, "data": [[0.5, 0.25], [1, 2]]}"#) };
    assert_eq!(usage(table, &answer), "input 4");
}

proptest! {
    #[test]
    fn any_split_gives_the_same_usage_at_every_end(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", "\"", "\\", ",", ":", "\n", " ", "data:", "\n\n", "12", "3.0", "null", "\\u00", "61", "é",
                "\"stats\":{", "\"in\":7", "\"out\":", "\"text\":\"a b", "\"delta\":{\"text\":", "\"0\":", "\"a\":[", "[5,",
                "data: {\"text\":\"word\"}\n\n", "data: {\"text\":[1,2]}\n\n", "data: {\"stats\":{\"out\":3}}\n\n",
                "{\"done\":{\"stats\":{\"in\":4,\"out\":9}}}\n",
            ]),
            0..40,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        repeats in 1_usize..3,
        content_type in prop::sample::select(vec![JSON, EVENTS, LINES]),
        table in prop::sample::select(vec![
            TRITON,
            STATS,
            r#"prompt = "/p", text = "/a/1", usage = { input = "/0/1/in", output = "/a/0", total = "/1" }, summed = ["output"]"#,
        ]),
    ) {
        let body = parts.concat().repeat(repeats);
        let answer = answer(content_type, &body);
        let mut single = reader(table, &answer);
        body.bytes().for_each(|byte| single.data(&[byte]));
        let mut whole = reader(table, &answer);
        whole.data(body.as_bytes());
        prop_assert_eq!(single.usage(), whole.usage());
        prop_assert_eq!(single.is_between_events(), whole.is_between_events());
        let (mut pieces, mut begin) = (reader(table, &answer), 0);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        ends.sort_unstable();
        for end in ends {
            pieces.data(&body.as_bytes()[begin..end]);
            begin = end;
            let mut whole = reader(table, &answer);
            whole.data(&body.as_bytes()[..end]);
            prop_assert_eq!(pieces.usage(), whole.usage());
        }
    }
}
