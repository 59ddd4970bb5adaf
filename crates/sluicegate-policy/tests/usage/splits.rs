//! Bodies that arrive in any pieces.

use proptest::prelude::*;
use sluicegate_policy::{Dialect, TokenWeights};

use crate::answer::{Answer, EVENTS, JSON, LINES, described};

fn answers() -> Vec<Answer> {
    let recorded = [
        (Dialect::OpenAi, "llama-chat"),
        (Dialect::OpenAi, "llama-chat-n2-stream-usage"),
        (Dialect::OpenAi, "llama-chat-stream-ping"),
        (Dialect::OpenAi, "llama-responses-stream"),
        (Dialect::OpenAi, "llama-v1-completions-two-prompts"),
        (Dialect::LlamaCpp, "llama-completion-native-stream"),
        (Dialect::Anthropic, "llama-messages-stream"),
    ];
    let text = r#"\u4f60\ud83d\ude00 \\\\u0041 caf\u00e9 \n\t\" done"#;
    let long = "one, two; three 4567 \\u00fc ".repeat(90);
    let unusual = format!(
        "\u{feff}: hi\r\n\r\ndata:{{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}],\r\ndata: \"id\":\"x\"}}\r\revent: a\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"äöü {long}\"}}}}]}}\n\n"
    );
    let whole = format!("{{\"output\":[{{\"content\":[{{\"text\":\"{long}{text}\"}}]}}]}}");
    let mut answers: Vec<_> =
        recorded.iter().map(|(dialect, name)| Answer::recorded(*dialect, name)).collect();
    answers.push(Answer::new(Dialect::OpenAi, EVENTS, &unusual));
    answers.push(Answer::new(Dialect::OpenAi, JSON, &whole));
    answers.push(Answer::new(Dialect::OpenAi, "text/plain", &long));
    // Events that repeat each other, and some that nearly do.
    let chunk = |index: u8, text: &str, finish: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let texts = ["", " a", "b c d", "\\n", "\\\"", "\\u4f60", "é", "\n", "\r", "\n\n", "e\\", "\"f", "null"];
    let mut events: String = texts.iter().map(|text| chunk(0, text, "null")).collect();
    events += &texts.iter().map(|text| chunk(1, text, "null")).collect::<String>();
    events += &chunk(1, " g", "\"stop\"");
    events += "\n: ping\n\n";
    events += &texts.iter().map(|text| chunk(0, text, "null")).collect::<String>();
    answers.push(Answer::new(Dialect::OpenAi, EVENTS, &events));
    let lines =
        "{\"message\":{\"content\":\"Hi \\u4f60\"}}\r\n{\"eval_count\":12,\"prompt_eval_count\":345}\n";
    answers.push(Answer::new(Dialect::Ollama, LINES, lines));
    answers
}

#[test]
fn a_body_in_single_bytes_has_the_same_usage() {
    for answer in answers() {
        let (mut single, body) = (answer.reader(), answer.body());
        body.iter().for_each(|byte| single.data(&[*byte]));
        let mut whole = answer.reader();
        whole.data(&body);
        assert_eq!(described(&single), described(&whole));
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_usage_at_every_end(
        which in 0..answers().len(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
    ) {
        let answer = &answers()[which];
        let body = answer.body();
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        ends.sort_unstable();
        let (mut pieces, mut begin) = (answer.reader(), 0);
        for end in ends {
            pieces.data(&body[begin..end]);
            begin = end;
            let mut whole = answer.reader();
            whole.data(&body[..end]);
            prop_assert_eq!(pieces.usage(), whole.usage());
            prop_assert_eq!(pieces.output(), whole.usage().usage.output(&TokenWeights::default()));
            prop_assert_eq!(pieces.is_between_events(), whole.is_between_events());
        }
    }

    #[test]
    fn any_scraps_of_bodies_are_read_alike_at_any_split(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", "\"", "\\", ",", ":", "\n", "\r", " ", "data:", "\"usage\"", "\"prompt_tokens\"", "12", "3.0",
                "\"choices\"", "\"delta\"", "\"content\"", "\"a b", "\\u00", "4f", "é", "null", "\u{feff}", "\"index\"", "\n\n",
                "data: {\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}\n\n",
            ]),
            0..40,
        ),
        dialect in prop::sample::select(Dialect::ALL.to_vec()),
        repeats in 1_usize..4,
        content_type in prop::sample::select(vec![JSON, EVENTS, LINES, "text/plain"]),
    ) {
        let body = parts.concat().repeat(repeats);
        let answer = Answer::new(dialect, content_type, &body);
        let mut single = answer.reader();
        body.bytes().for_each(|byte| single.data(&[byte]));
        let mut whole = answer.reader();
        whole.data(body.as_bytes());
        prop_assert_eq!(single.usage(), whole.usage());
        prop_assert_eq!(single.output(), whole.usage().usage.output(&TokenWeights::default()));
        prop_assert_eq!(single.is_between_events(), whole.is_between_events());
    }
}
