//! Recordings of a real llama.cpp server.

use sluicegate_policy::Dialect;

use crate::answer::Answer;

fn usage(dialect: Dialect, name: &str) -> String {
    Answer::recorded(dialect, name).usage()
}

#[test]
fn a_plain_response_has_its_usage_at_the_end() {
    assert_eq!(usage(Dialect::OpenAi, "llama-chat"), "input 27, output 6");
    assert_eq!(usage(Dialect::OpenAi, "llama-chat-max-tokens-0"), "input 5, cached_input 22, output 1");
    assert_eq!(usage(Dialect::Anthropic, "llama-messages"), "input 5, cached_input 22, output 3");
}

#[test]
fn a_stream_without_usage_has_timings() {
    assert_eq!(usage(Dialect::OpenAi, "llama-chat-stream"), "input 5, cached_input 22, output 6");
}

#[test]
fn a_stream_has_its_usage_in_a_chunk_of_its_own_or_in_the_last_one() {
    for name in ["llama-chat-stream-usage", "llama-responses-stream"] {
        assert_eq!(usage(Dialect::OpenAi, name), "input 5, cached_input 22, output 6", "{name}");
    }
    assert_eq!(usage(Dialect::OpenAi, "llama-chat-stream-progress"), "input 5, cached_input 22, output 2");
    assert_eq!(usage(Dialect::OpenAi, "llama-chat-stream-ping"), "input 443, cached_input 1, output 2");
    assert_eq!(usage(Dialect::OpenAi, "llama-v1-completions-stream"), "input 5, cached_input 4, output 3");
    assert_eq!(
        usage(Dialect::LlamaCpp, "llama-completion-native-stream"),
        "input 8, cached_input 1, output 4"
    );
    assert_eq!(usage(Dialect::Anthropic, "llama-messages-stream"), "input 5, cached_input 22, output 6");
}

#[test]
fn two_choices_have_one_prompt_and_both_of_their_outputs() {
    // The stream reports each choice. The plain response reports the first one, and the other is counted: `1.   `.
    let two = |name| Answer::recorded(Dialect::OpenAi, name).expecting(27, 1, 2).usage();
    assert_eq!(two("llama-chat-n2-stream-usage"), "input 5, cached_input 22, output 6");
    assert_eq!(two("llama-chat-n2"), "counted input 27, output 6");
}

#[test]
fn a_second_prompt_that_is_not_reported_is_estimated() {
    // Nine tokens of the first prompt and three of its text were reported. ` ten eleven twelve` is estimated, as
    // one more than its three.
    let two =
        |input| Answer::recorded(Dialect::OpenAi, "llama-v1-completions-two-prompts").expecting(input, 2, 2);
    assert_eq!(two(19).usage(), "counted input 15, cached_input 4, output 7");
    assert_eq!(two(3).usage(), "counted input 5, cached_input 4, output 7", "no less than was reported");
}

#[test]
fn embeddings_have_no_output() {
    assert_eq!(usage(Dialect::OpenAi, "llama-embeddings-base64"), "input 9");
}

#[test]
fn a_client_that_leaves_pays_the_prompt_and_the_tokens_sent() {
    assert_eq!(usage(Dialect::OpenAi, "llama-chat-stream-aborted"), "counted input 1000, output 3");
}

#[test]
fn an_error_reports_nothing() {
    for name in ["llama-chat-n2-refused", "llama-embeddings-too-long", "llama-messages-error-too-long"] {
        assert_eq!(usage(Dialect::OpenAi, name), "counted input 1000", "{name}");
    }
}
