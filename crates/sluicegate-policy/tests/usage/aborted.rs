//! Clients that leave before the usage has come.

use sluicegate_policy::{Dialect, TokenWeights};

use crate::answer::{Answer, EVENTS, LINES};

const WORDS: [&str; 8] = [" the", " quick", "\\n", " fox", ",", "ing", " 12", " über"];

/// A stream of 200 chunks of a token each, and the report at its end.
fn stream(dialect: Dialect) -> Answer {
    let word = |at: usize| WORDS[at % WORDS.len()];
    let (chunk, last, content_type): (fn(&str) -> String, &str, &str) = match dialect {
        Dialect::OpenAi => (
            |text| {
                format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
            },
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":200}}\n\ndata: [DONE]\n\n",
            EVENTS,
        ),
        Dialect::Anthropic => (
            |text| {
                format!(
                    "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
                )
            },
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"input_tokens\":1000,\"output_tokens\":200}}\n\n",
            EVENTS,
        ),
        _ => (
            |text| format!("{{\"message\":{{\"content\":\"{text}\"}},\"done\":false}}\n"),
            "{\"done\":true,\"prompt_eval_count\":1000,\"eval_count\":200}\n",
            LINES,
        ),
    };
    let mut answer = Answer::new(dialect, content_type, "");
    answer.pieces = (0..200).map(|at| chunk(word(at)).into_bytes()).collect();
    answer.pieces.push(last.as_bytes().to_vec());
    answer
}

#[test]
fn a_client_that_leaves_at_any_chunk_pays_that_many_tokens() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama] {
        let answer = stream(dialect);
        let mut reader = answer.reader();
        for (sent, piece) in answer.pieces.iter().enumerate() {
            let charged = reader.usage().usage;
            let weights = TokenWeights::default();
            assert_eq!(
                (charged.input(&weights), charged.output(&weights)),
                (1000, sent as u64),
                "{dialect:?}"
            );
            // Within a chunk, it is that chunk or the one before.
            let (first, rest) = piece.split_at(piece.len() / 2);
            reader.data(first);
            let within = reader.usage().usage.output(&weights);
            assert!((sent as u64..=sent as u64 + 1).contains(&within), "{dialect:?}: {within} after {sent}");
            reader.data(rest);
        }
        assert_eq!(reader.usage().usage.output(&TokenWeights::default()), 200, "{dialect:?}");
    }
}

#[test]
fn a_recorded_stream_is_counted_as_its_server_counts() {
    // The native stream reports the running total in each event, so taking that out compares count and report.
    let answer = Answer::recorded(Dialect::LlamaCpp, "llama-completion-native-stream");
    let (mut counted, mut reported) = (answer.reader(), answer.reader());
    for piece in &answer.pieces {
        let text = String::from_utf8(piece.clone()).unwrap();
        counted.data(text.replace("tokens_predicted", "x").replace("predicted_n", "x").as_bytes());
        reported.data(piece);
        let weights = TokenWeights::default();
        assert_eq!(counted.usage().usage.output(&weights), reported.usage().usage.output(&weights));
    }
}

#[test]
fn a_stream_can_be_cut_between_its_events() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama] {
        let answer = stream(dialect);
        let mut reader = answer.reader();
        for piece in &answer.pieces {
            assert!(reader.is_between_events());
            reader.data(&piece[..5]);
            assert!(!reader.is_between_events());
            reader.data(&piece[5..]);
        }
        assert!(reader.is_between_events());
    }
}
