//! Usage that is asked of streams whose clients did not ask for it, and taken out of their responses again.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluicegate_policy::{Dialect, Estimate, UsageReader, UsageStripper, ask_for_usage};

fn asked(body: &str) -> Option<String> {
    ask_for_usage(body.as_bytes()).map(|body| String::from_utf8(body.to_vec()).expect("text"))
}

#[test]
fn a_stream_without_options_is_asked_for_usage() {
    for (body, asking) in [
        (
            r#"{"messages":[],"stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"messages":[],"stream":true}"#,
        ),
        (
            "\n{ \"prompt\" : \"}\\\"{\" , \"stream\" : true }\n",
            "\n{\"stream_options\":{\"include_usage\":true}, \"prompt\" : \"}\\\"{\" , \"stream\" : true }\n",
        ),
        (
            r#"{"messages":[],"stream":true,"stream_options":null}"#,
            r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"messages":[],"stream_options":{ },"stream":true}"#,
            r#"{"messages":[],"stream_options":{"include_usage":true },"stream":true}"#,
        ),
        (
            r#"{"messages":[],"stream_options":{"include_obfuscation":false},"stream":true}"#,
            r#"{"messages":[],"stream_options":{"include_usage":true,"include_obfuscation":false},"stream":true}"#,
        ),
        (
            r#"{"messages":[],"stream":true,"stream_options":{"a":[{}],"include_usage": false, "b":1}}"#,
            r#"{"messages":[],"stream":true,"stream_options":{"a":[{}],"include_usage": true, "b":1}}"#,
        ),
        (
            r#"{"messages":[],"str\u0065am":true,"stream_options":{"include_us\u0061ge":null}}"#,
            r#"{"messages":[],"str\u0065am":true,"stream_options":{"include_us\u0061ge":true}}"#,
        ),
    ] {
        assert_eq!(asked(body).as_deref(), Some(asking));
        assert_eq!(asked(asking), None, "it asks already");
    }
}

#[test]
fn other_bodies_stay_as_they_are() {
    for body in [
        r#"{"messages":[]}"#,
        r#"{"messages":[],"stream":false}"#,
        r#"{"messages":[],"stream":"true"}"#,
        r#"{"messages":[{"stream":true}]}"#,
        r#"{"input":"a","stream":true}"#,
        r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"messages":[],"stream":true,"stream_options":{"include_usage":"yes"}}"#,
        r#"{"messages":[],"stream":true,"stream_options":"all"}"#,
        r#"[{"messages":[],"stream":true}]"#,
        "stream",
        "",
        "{",
        "{}",
        r#"{"stream":true"#,
    ] {
        assert_eq!(asked(body), None, "{body}");
    }
}

fn stripped(pieces: &[&[u8]]) -> String {
    let mut stripper = UsageStripper::default();
    let mut passed = Vec::new();
    for piece in pieces {
        passed.extend_from_slice(&stripper.data(Bytes::copy_from_slice(piece)));
    }
    passed.extend_from_slice(&stripper.end());
    String::from_utf8(passed).expect("text")
}

/// Events, and what is left of them.
const EVENTS: [(&str, &str); 15] = [
    (
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}",
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}",
    ),
    ("data: {\"id\":\"x\",\"choices\":[{}],\"usage\":null}", "data: {\"id\":\"x\",\"choices\":[{}]}"),
    ("data: {\"choices\": [{}], \"usage\": null, \"id\": 1}", "data: {\"choices\": [{}], \"id\": 1}"),
    ("data:{\"usage\":null , \"choices\":[]}", "data:{\"choices\":[]}"),
    ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}", ""),
    ("id: 7\ndata: {\"usage\": {\"prompt_tokens\":1,\"a\":[null]}, \"choices\": [ ]}", ""),
    ("data: {\"choices\":[],\ndata: \"usage\":{}}", ""),
    ("data: {\"choices\":[{}],\ndata: \"usage\":null}", "data: {\"choices\":[{}],\ndata: \"usage\":null}"),
    (
        "data: {\"choices\":[{\"usage\":null}],\"usage\":{\"a\":1}}",
        "data: {\"choices\":[{\"usage\":null}],\"usage\":{\"a\":1}}",
    ),
    (
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}",
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}",
    ),
    (
        "data: {\"error\":{\"message\":\"no \\\"usage\\\"\"}}",
        "data: {\"error\":{\"message\":\"no \\\"usage\\\"\"}}",
    ),
    (": {\"choices\":[],\"usage\":{}}", ": {\"choices\":[],\"usage\":{}}"),
    ("data: {\"choices\":[],\"usage\":{", "data: {\"choices\":[],\"usage\":{"),
    ("event: a\nid: 1\ndata: \"usage\"", "event: a\nid: 1\ndata: \"usage\""),
    ("data: [DONE]", "data: [DONE]"),
];

fn stream(which: &[usize], line_end: &str) -> (String, String) {
    let (mut sent, mut left) = (String::new(), String::new());
    for at in which {
        let (event, rest) = EVENTS[*at];
        sent += &format!("{event}\n\n").replace('\n', line_end);
        if !rest.is_empty() {
            left += &format!("{rest}\n\n").replace('\n', line_end);
        }
    }
    (sent, left)
}

proptest! {
    #[test]
    fn only_what_was_caused_is_taken_out_at_any_split(
        which in prop::collection::vec(0..EVENTS.len(), 0..8),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let (sent, left) = stream(&which, line_end);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(sent.len() + 1)).collect();
        ends.extend([0, sent.len()]);
        ends.sort_unstable();
        let pieces: Vec<&[u8]> = ends.windows(2).map(|ends| &sent.as_bytes()[ends[0]..ends[1]]).collect();
        prop_assert_eq!(stripped(&pieces), left.as_str());
        let bytes: Vec<&[u8]> = sent.as_bytes().chunks(1).collect();
        prop_assert_eq!(stripped(&bytes), left);
    }

    #[test]
    fn a_whole_event_is_never_held(which in prop::collection::vec(0..EVENTS.len(), 0..8)) {
        let mut stripper = UsageStripper::default();
        for at in which {
            let (sent, left) = stream(&[at], "\r\n");
            let (first, second) = sent.split_at(sent.len() / 2);
            prop_assert_eq!(stripper.data(Bytes::copy_from_slice(first.as_bytes())), "");
            prop_assert_eq!(stripper.data(Bytes::copy_from_slice(second.as_bytes())), left);
        }
        prop_assert_eq!(stripper.end(), "");
    }

    #[test]
    fn a_request_that_asks_differs_in_nothing_else(
        members in prop::collection::vec(
            prop::sample::select(vec!["\"messages\": []", "\"a\":{\"stream\":false}", "\"b\": \"}],\\\"\"", "\"c\" :-1.5e3", "\"n\":null"]),
            0..5,
        ),
        options in prop::sample::select(vec![
            "", "null", "{}", "{ \"x\": [1] }", "{\"include_usage\":false}", "{\"y\":{}, \"include_usage\" : null}",
        ]),
        at in any::<prop::sample::Index>(),
        space in prop::sample::select(vec!["", " ", "\n\t"]),
    ) {
        let mut members: Vec<String> = members.into_iter().map(str::to_owned).collect();
        members.extend(["\"prompt\":\"\"".to_owned(), "\"stream\":true".to_owned()]);
        if !options.is_empty() {
            members.insert(at.index(members.len() + 1), format!("\"stream_options\":{space}{options}"));
        }
        let body = format!("{space}{{{space}{}{space}}}{space}", members.join(&format!("{space},{space}")));
        let asking = asked(&body).unwrap();
        let mut before: Value = serde_json::from_str(&body).unwrap();
        let after: Value = serde_json::from_str(&asking).unwrap();
        if !before["stream_options"].is_object() {
            before["stream_options"] = json!({});
        }
        before["stream_options"]["include_usage"] = json!(true);
        prop_assert_eq!(before, after);
        // One run of bytes differs: what is not in it stands in both.
        let same = body.bytes().zip(asking.bytes()).take_while(|(old, new)| old == new).count();
        let rest = body.bytes().rev().zip(asking.bytes().rev()).take_while(|(old, new)| old == new).count();
        prop_assert!(same + rest + "false".len() >= body.len(), "{} {}", body, asking);
    }
}

fn reader() -> UsageReader {
    let head =
        http::Response::builder().header("content-type", "text/event-stream").body(()).expect("a head");
    UsageReader::new(Dialect::OpenAi, &head.into_parts().0, &Estimate::default())
}

/// The bytes that pass, where the reader of the same stream tells the stripper of repetitions; and the number of these.
fn stripped_beside_a_reader(pieces: &[&[u8]]) -> (String, usize) {
    let (mut reader, mut stripper) = (reader(), UsageStripper::default());
    let (mut passed, mut repetitions) = (Vec::new(), 0);
    for piece in pieces {
        reader.data(piece);
        let data = Bytes::copy_from_slice(piece);
        passed.extend_from_slice(&match reader.repetition() {
            Some(repetition) => {
                repetitions += 1;
                stripper.repetition(data, repetition)
            }
            None => stripper.data(data),
        });
    }
    passed.extend_from_slice(&stripper.end());
    (String::from_utf8(passed).expect("text"), repetitions)
}

#[test]
fn usage_is_taken_out_of_repetitions_too() {
    for behind in [",\"usage\":null}", ", \"usage\": null }", "}", ",\"usage\":null,\"id\":7}"] {
        let event = |text: &str| {
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]{behind}\n\n")
        };
        let texts = ["a", " usage", "usage", "\\\"usage", "\\\"usage\\\":null}", "", "\\n", "\u{e9}"];
        let events: Vec<String> = texts.into_iter().map(event).collect();
        let pieces: Vec<&[u8]> = events.iter().map(String::as_bytes).collect();
        let (passed, repetitions) = stripped_beside_a_reader(&pieces);
        assert_eq!(passed, stripped(&pieces));
        assert_eq!(passed.matches("null").count(), 1, "the one in a text: {passed}");
        assert_eq!(
            repetitions,
            texts.len() - 2,
            "all but the first, which may have a mark, and the one that is learned"
        );
    }
}

#[test]
fn only_an_event_alone_is_a_repetition() {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let two = event.repeat(2);
    let mut reader = reader();
    // The first of a stream may begin with a mark, and the second is learned.
    for (piece, is_one) in [
        (event, false),
        (event, false),
        (event, true),
        (&*two, false),
        (event, true),
        (&event[..9], false),
        (&event[9..], false),
    ] {
        reader.data(piece.as_bytes());
        assert_eq!(reader.repetition().is_some(), is_one, "{piece}");
    }
}

/// Events that repeat each other, and others between them.
const SHAPES: [(&str, &str); 5] = [
    ("data: {\"choices\":[{\"delta\":{\"content\":\"", "\"}}],\"usage\":null}\n\n"),
    ("data: {\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}\n\n"),
    ("data: {\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}\n\n"),
    ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1},\"id\":\"", "\"}\n\n"),
    (": ", "\r\n\r\n"),
];

proptest! {
    #[test]
    fn a_reader_that_tells_of_repetitions_changes_nothing(
        events in prop::collection::vec(
            (
                prop::sample::select(vec![0, 0, 0, 1, 1, 2, 3, 4]),
                prop::sample::select(vec!["a", "", "usage", "\\\"usage", "\\\\", "\\\"usage\\\":null", "two words"]),
            ),
            0..20,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut pieces = Vec::new();
        for (at, (shape, text)) in events.iter().enumerate() {
            let event = format!("{}{text}{}", SHAPES[*shape].0, SHAPES[*shape].1).into_bytes();
            // Most events are pieces of their own.
            match cuts.iter().find(|cut| cut.index(events.len()) == at) {
                Some(cut) => pieces.extend(event.chunks(1 + cut.index(event.len())).map(<[u8]>::to_vec)),
                None => pieces.push(event),
            }
        }
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(stripped_beside_a_reader(&pieces).0, stripped(&pieces));
    }
}

#[test]
fn a_long_event_passes_in_bounded_memory() {
    let mut stripper = UsageStripper::default();
    let long = format!("data: {{\"choices\":[{{\"delta\":\"{}\"}}],", "x".repeat(20_000));
    assert_eq!(stripper.data(Bytes::from(long.clone())), long);
    assert_eq!(stripper.data("\"usage\":null}\n".into()), "\"usage\":null}\n", "the rest of it passes");
    assert_eq!(stripper.data("\ndata: {\"choices\":[],\"usage\":{}}\n\n".into()), "\n");
    assert_eq!(stripper.data("data: [DONE]\n\n".into()), "data: [DONE]\n\n");
}

#[test]
fn a_stream_that_ends_within_an_event_ends_as_it_did() {
    for (sent, left) in [
        ("data: {\"choices\":[{}],\"usage\":nu", "data: {\"choices\":[{}],\"usage\":nu"),
        ("data: {\"choices\":[{}],\"usage\":null}", "data: {\"choices\":[{}]}"),
        ("data: {\"choices\":[],\"usage\":{}}\n", ""),
    ] {
        assert_eq!(stripped(&[sent.as_bytes()]), left);
    }
}
