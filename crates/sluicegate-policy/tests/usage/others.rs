//! Responses in the forms that Anthropic, Ollama, llama.cpp, TGI, Gemini and Cohere document.

use sluicegate_policy::Dialect;

use crate::answer::{Answer, JSON, LINES};

#[test]
fn anthropic_counts_its_cache_beside_the_input() {
    let usage = Answer::new(
        Dialect::Anthropic,
        JSON,
        r#"{"type":"message","role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"x"},
        {"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":21,
        "cache_creation_input_tokens":188086,"cache_read_input_tokens":33,"output_tokens":393,
        "cache_creation":{"ephemeral_5m_input_tokens":188000,"ephemeral_1h_input_tokens":86},
        "server_tool_use":{"web_search_requests":2},"service_tier":"standard"}}"#,
    );
    assert_eq!(usage.usage(), "input 21, cached_input 33, cache_write 188086, output 393");
    let parts = r#"{"usage":{"input_tokens":2,"output_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4}}}"#;
    let usage = Answer::new(Dialect::Anthropic, JSON, parts).usage();
    assert_eq!(usage, "input 2, cache_write 7, output 1");
}

#[test]
fn the_end_of_a_message_replaces_its_start_field_by_field() {
    let start = r#"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":25,"cache_read_input_tokens":5,"output_tokens":1}}}"#;
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let delta = |text: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        )
    };
    let (hello, world) = (delta("Hello"), delta(" world"));
    let mut data = vec![start, block, r#"{"type":"ping"}"#];
    let usage = |data: &[&str]| Answer::events(Dialect::Anthropic, data).usage();
    assert_eq!(usage(&data), "counted input 25, cached_input 5, output 1");
    data.extend([hello.as_str(), &world]);
    assert_eq!(usage(&data), "counted input 25, cached_input 5, output 2");
    data.push(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}"#);
    assert_eq!(usage(&data), "input 25, cached_input 5, output 15");
    data.push(r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":20,"output_tokens":16}}"#);
    data.push(r#"{"type":"message_stop"}"#);
    assert_eq!(usage(&data), "input 20, cached_input 5, output 16");
}

#[test]
fn thoughts_and_arguments_of_anthropic_are_output() {
    let delta = |delta: &str| format!(r#"{{"type":"content_block_delta","index":0,"delta":{delta}}}"#);
    let tool = r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"add","input":{}}}"#;
    for (data, output) in [
        (delta(r#"{"type":"thinking_delta","thinking":" so"}"#), ", output 1"),
        (delta(r#"{"type":"input_json_delta","partial_json":"{\"a\": 1}"}"#), ", output 5"),
        (delta(r#"{"type":"signature_delta","signature":"EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}"#), ""),
        (tool.to_owned(), ", output 1"),
    ] {
        let usage = Answer::events(Dialect::Anthropic, &[&data]).usage();
        assert_eq!(usage, format!("counted input 1000{output}"), "{data}");
    }
}

#[test]
fn ollama_reports_in_its_last_line() {
    let line = |text: &str| {
        format!(r#"{{"model":"llama3","message":{{"role":"assistant","content":"{text}"}},"done":false}}"#)
    };
    let last = r#"{"model":"llama3","message":{"role":"assistant","content":""},"done":true,"total_duration":5589157167,"prompt_eval_count":26,"prompt_eval_duration":130079000,"eval_count":259}"#;
    let chat = |ended: &str| {
        Answer::new(Dialect::Ollama, LINES, &format!("{}\n{}\n{ended}", line("The"), line(" sky")))
    };
    assert_eq!(chat("").usage(), "counted input 1000, output 2");
    assert_eq!(chat(&format!("{last}\n")).usage(), "input 26, output 259");
    assert_eq!(chat(last).usage(), "input 26, output 259", "without a line feed");
    assert_eq!(chat(&format!("{last}\r\n")).usage(), "input 26, output 259");
    assert_eq!(Answer::new(Dialect::Ollama, JSON, last).usage(), "input 26, output 259");
    // A prompt that is all in the cache is not reported.
    let cached = last.replace(r#""prompt_eval_count":26,"#, "");
    assert_eq!(chat(&cached).usage(), "counted input 1000, output 259");
}

#[test]
fn ollama_generates_thinks_calls_and_embeds() {
    let usage = |line: &str| Answer::new(Dialect::Ollama, LINES, line).usage();
    assert_eq!(usage("{\"response\":\"Hi\",\"done\":false}\n"), "counted input 1000, output 1");
    assert_eq!(
        usage("{\"response\":\"\",\"thinking\":\"Hm\",\"done\":false}\n"),
        "counted input 1000, output 1"
    );
    let call =
        r#"{"message":{"content":"","tool_calls":[{"function":{"name":"add","arguments":{"a":"x"}}}]}}"#;
    assert_eq!(usage(call), "counted input 1000, output 3");
    let mut answer = Answer::new(
        Dialect::Ollama,
        JSON,
        r#"{"embeddings":[[0.1]],"total_duration":14143917,"prompt_eval_count":8}"#,
    );
    answer.estimate.is_without_output = true;
    assert_eq!(answer.usage(), "input 8");
}

#[test]
fn a_line_that_is_broken_spoils_only_itself() {
    let lines = "{\"message\":{\"content\":\"a\n{\"eval_count\":3,\"prompt_eval_count\":4}\n";
    assert_eq!(Answer::new(Dialect::Ollama, LINES, lines).usage(), "input 4, output 3");
}

#[test]
fn llama_cpp_reports_the_prompts_of_a_list_one_by_one() {
    let one = |index, input, output| {
        format!(
            r#"{{"index":{index},"content":" a","stop":true,"tokens_predicted":{output},"tokens_evaluated":{input}}}"#
        )
    };
    let both = format!("[{},{}]", one(0, 9, 3), one(1, 12, 4));
    let list = |prompts| Answer::new(Dialect::LlamaCpp, JSON, &both).expecting(30, prompts, 2).usage();
    assert_eq!(list(2), "input 21, output 7");
    assert_eq!(list(1), "input 12, output 7", "two choices of one prompt");
    let stream = [one(0, 9, 1), one(1, 12, 1), one(0, 9, 2), one(1, 12, 2)];
    let data: Vec<&str> = stream.iter().map(String::as_str).collect();
    assert_eq!(Answer::events(Dialect::LlamaCpp, &data).expecting(30, 2, 2).usage(), "input 21, output 4");
}

#[test]
fn tgi_reports_in_details_or_in_headers() {
    let details = r#"{"generated_text":" So it is","details":{"finish_reason":"length","generated_tokens":3,
        "seed":null,"prefill":[],"tokens":[{"id":1,"text":" So","logprob":-1.0,"special":false}]}}"#;
    assert_eq!(Answer::new(Dialect::Tgi, JSON, details).usage(), "counted input 1000, output 3");
    let headers = |body| {
        Answer::new(Dialect::Tgi, JSON, body).header("x-prompt-tokens", "7").header("x-generated-tokens", "3")
    };
    assert_eq!(headers(details).usage(), "input 7, output 3");
    assert_eq!(headers(r#"{"generated_text":" So it is"}"#).usage(), "counted input 7, output 6");
    assert_eq!(headers(r#"[{"generated_text":" So it is"}]"#).usage(), "counted input 7, output 6");
    let best = r#"{"generated_text":"a","details":{"generated_tokens":3,"best_of_sequences":[{"generated_tokens":4},{"generated_tokens":5}]}}"#;
    assert_eq!(headers(best).usage(), "input 7, output 12");
}

#[test]
fn each_event_of_tgi_is_a_token() {
    let token = |text: &str| {
        format!(
            r#"{{"index":1,"token":{{"id":9,"text":"{text}","logprob":-0.1,"special":false}},"generated_text":null,"details":null}}"#
        )
    };
    let last = r#"{"index":3,"token":{"id":2,"text":"</s>","special":true},"generated_text":" so it","details":{"finish_reason":"eos_token","generated_tokens":3,"input_length":8}}"#;
    let tokens = [token(" so"), token(""), token(" internationalization")];
    let mut data: Vec<&str> = tokens.iter().map(String::as_str).collect();
    assert_eq!(Answer::events(Dialect::Tgi, &data).usage(), "counted input 1000, output 3");
    data.push(last);
    assert_eq!(Answer::events(Dialect::Tgi, &data).usage(), "input 8, output 3");
}

const GEMINI: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},"finishReason":"STOP","index":0}],
    "usageMetadata":{"promptTokenCount":300,"cachedContentTokenCount":100,"candidatesTokenCount":20,
    "toolUsePromptTokenCount":7,"thoughtsTokenCount":50,"totalTokenCount":377,
    "promptTokensDetails":[{"modality":"TEXT","tokenCount":30},{"modality":"IMAGE","tokenCount":258},{"modality":"AUDIO","tokenCount":12}],
    "cacheTokensDetails":[{"modality":"IMAGE","tokenCount":100}],
    "candidatesTokensDetails":[{"modality":"TEXT","tokenCount":20}]},"modelVersion":"gemini-3"}"#;

#[test]
fn gemini_counts_thoughts_and_results_of_tools_beside() {
    let usage = "input 37, cached_input 100, audio_input 12, image_input 158, output 20, reasoning 50";
    assert_eq!(Answer::new(Dialect::Gemini, JSON, GEMINI).usage(), usage);
    assert_eq!(Answer::new(Dialect::Gemini, JSON, &format!("[{GEMINI}\n,\n{GEMINI}]")).usage(), usage);
    assert_eq!(Answer::events(Dialect::Gemini, &[&GEMINI.replace('\n', "")]).usage(), usage);
}

#[test]
fn gemini_reports_running_totals_in_its_chunks() {
    let chunk = |text: &str, usage: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"index":0}}],"usageMetadata":{{"promptTokenCount":10,{usage}}}}}"#
        )
    };
    let first = chunk("one two three", r#""totalTokenCount":10"#);
    let second = chunk(" four", r#""candidatesTokenCount":9,"totalTokenCount":19"#);
    let third = chunk(" five six", r#""candidatesTokenCount":14,"totalTokenCount":24"#);
    let usage = |data: &[&str]| Answer::events(Dialect::Gemini, data).usage();
    assert_eq!(usage(&[&first]), "counted input 10, output 3");
    assert_eq!(usage(&[&first, &second]), "input 10, output 9");
    assert_eq!(usage(&[&first, &second, &third]), "input 10, output 14");
    let array = format!("[{first},\r\n{second}");
    assert_eq!(
        Answer::new(Dialect::Gemini, JSON, &array).usage(),
        "input 10, output 9",
        "an array that broke off"
    );
}

#[test]
fn a_gemini_that_only_thought_has_no_other_output() {
    let body = r#"{"candidates":[{"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":10,"thoughtsTokenCount":15,"totalTokenCount":25}}"#;
    assert_eq!(Answer::new(Dialect::Gemini, JSON, body).usage(), "input 10, reasoning 15");
}

#[test]
fn several_candidates_of_gemini_share_one_report() {
    let chunk = |index, output| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"a"}}]}},"index":{index}}}],"usageMetadata":{{"promptTokenCount":5,"candidatesTokenCount":{output},"totalTokenCount":{}}}}}"#,
            5 + output
        )
    };
    let chunks = [chunk(0, 1), chunk(1, 2), chunk(0, 3), chunk(1, 4)];
    let data: Vec<&str> = chunks.iter().map(String::as_str).collect();
    assert_eq!(Answer::events(Dialect::Gemini, &data).expecting(5, 1, 2).usage(), "input 5, output 4");
}

#[test]
fn cohere_reports_tokens_and_what_it_bills() {
    let v2 = r#"{"id":"c","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"Hi there"}]},
        "usage":{"billed_units":{"input_tokens":5,"output_tokens":418},"tokens":{"input_tokens":71,"output_tokens":420},"cached_tokens":16}}"#;
    let json = |body| Answer::new(Dialect::Cohere, JSON, body).usage();
    assert_eq!(json(v2), "input 55, cached_input 16, output 420");
    let v1 = r#"{"text":"Hi","meta":{"api_version":{"version":"1"},"billed_units":{"input_tokens":5.0,"output_tokens":2.0},"tokens":{"input_tokens":71.0,"output_tokens":3.0}}}"#;
    assert_eq!(json(v1), "input 71, output 3");
    let mut embed = Answer::new(
        Dialect::Cohere,
        JSON,
        r#"{"embeddings":{"float":[[1]]},"meta":{"billed_units":{"input_tokens":4}}}"#,
    );
    embed.estimate.is_without_output = true;
    assert_eq!(embed.usage(), "input 4");
}

#[test]
fn both_streams_of_cohere_are_read() {
    let delta = r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hi"}}}}"#;
    let plan = r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":" I"}}}"#;
    let call = r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":" x"}}}}}"#;
    let end = r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":5},"tokens":{"input_tokens":69,"output_tokens":6}}}}"#;
    let events = |data: &[&str]| Answer::events(Dialect::Cohere, data).usage();
    assert_eq!(events(&[delta, plan, call]), "counted input 1000, output 3");
    assert_eq!(events(&[delta, plan, call, end]), "input 69, output 6");
    let lines = "{\"event_type\":\"text-generation\",\"text\":\"Hi\"}\n";
    let end = "{\"event_type\":\"stream-end\",\"response\":{\"text\":\"Hi\",\"meta\":{\"tokens\":{\"input_tokens\":69,\"output_tokens\":2}}}}\n";
    let stream = |body: &str| Answer::new(Dialect::Cohere, "application/stream+json", body).usage();
    assert_eq!(stream(lines), "counted input 1000, output 1");
    assert_eq!(stream(&format!("{lines}{end}")), "input 69, output 2");
}
