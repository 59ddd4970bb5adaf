//! Responses in the forms that OpenAI and servers like it document.

use sluicegate_policy::{Dialect, Estimate};

use crate::answer::{Answer, EVENTS, JSON};

fn json(body: &str) -> String {
    Answer::new(Dialect::OpenAi, JSON, body).usage()
}

fn events(data: &[&str]) -> String {
    Answer::events(Dialect::OpenAi, data).usage()
}

#[test]
fn a_chat_completion_tells_its_classes_inside_the_sums() {
    let usage = json(
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-5","choices":[{"index":0,
        "message":{"role":"assistant","content":"Hi \"you\"","refusal":null},"logprobs":null,"finish_reason":"stop"}],
        "usage":{"prompt_tokens":1200,"completion_tokens":300,"total_tokens":1500,
        "prompt_tokens_details":{"cached_tokens":1024,"cache_write_tokens":100,"audio_tokens":20},
        "completion_tokens_details":{"reasoning_tokens":192,"audio_tokens":8,"accepted_prediction_tokens":0,
        "rejected_prediction_tokens":5}},"service_tier":"default"}"#,
    );
    let input = "input 56, cached_input 1024, cache_write 100, audio_input 20";
    assert_eq!(usage, format!("{input}, output 100, reasoning 192, audio_output 8"));
}

#[test]
fn usage_counts_wherever_it_stands_in_the_document() {
    let choices = r#""choices":[{"index":0,"message":{"content":"a b c d e f"}}]"#;
    let usage = r#""usage":{"completion_tokens":6,"prompt_tokens":9}"#;
    assert_eq!(json(&format!("{{{usage},{choices}}}")), "input 9, output 6");
    assert_eq!(json(&format!("{{{choices},{usage}}}")), "input 9, output 6");
}

#[test]
fn a_usage_without_a_total_is_the_sum_of_its_parts_and_a_total_alone_is_input() {
    assert_eq!(json(r#"{"usage":{"prompt_tokens":8,"completion_tokens":2}}"#), "input 8, output 2");
    assert_eq!(json(r#"{"object":"list","data":[],"usage":{"total_tokens":17}}"#), "input 17");
    assert_eq!(
        json(r#"{"data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#),
        "input 8"
    );
}

#[test]
fn embeddings_without_a_total_have_no_output() {
    let mut answer =
        Answer::new(Dialect::OpenAi, JSON, r#"{"data":[{"embedding":[1]}],"usage":{"prompt_tokens":8}}"#);
    answer.estimate = Estimate { is_without_output: true, ..answer.estimate };
    assert_eq!(answer.usage(), "input 8");
}

#[test]
fn reasoning_beside_the_output_is_known_by_the_total() {
    let with = |total| {
        json(&format!(
            r#"{{"usage":{{"prompt_tokens":32,"completion_tokens":9,"total_tokens":{total},
            "completion_tokens_details":{{"reasoning_tokens":5}}}}}}"#
        ))
    };
    assert_eq!(with(41), "input 32, output 4, reasoning 5");
    assert_eq!(with(46), "input 32, output 9, reasoning 5");
}

#[test]
fn caches_are_read_under_the_names_of_other_servers() {
    let usage = |members: &str| json(&format!(r#"{{"usage":{{"completion_tokens":1,{members}}}}}"#));
    let inside = "input 3, cached_input 7, output 1";
    assert_eq!(
        usage(r#""prompt_tokens":10,"prompt_cache_hit_tokens":7,"prompt_cache_miss_tokens":3"#),
        inside
    );
    assert_eq!(usage(r#""prompt_tokens":10,"cached_tokens":7"#), inside);
    // A proxy may repeat Anthropic's names beside OpenAI's.
    assert_eq!(
        usage(
            r#""prompt_tokens":10,"cache_read_input_tokens":7,"prompt_tokens_details":{"cached_tokens":7}"#
        ),
        inside
    );
    assert_eq!(
        usage(r#""prompt_tokens":10,"cache_read_input_tokens":7,"total_tokens":18"#),
        "input 10, cached_input 7, output 1",
        "the total says that it is beside"
    );
    assert_eq!(usage(r#""prompt_tokens":3,"cached_tokens":7"#), "input 3, cached_input 7, output 1");
}

#[test]
fn the_last_usage_of_a_stream_wins_and_none_are_added() {
    // vLLM with continuous usage.
    let chunk = |text, output| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}],
            "usage":{{"prompt_tokens":7,"total_tokens":{},"completion_tokens":{output}}}}}"#,
            7 + output
        )
        .replace('\n', "")
    };
    let last = r#"{"choices":[],"usage":{"prompt_tokens":7,"total_tokens":12,"completion_tokens":5}}"#;
    let chunks = [chunk("", 0), chunk(" one", 1), chunk(" two three", 3)];
    let mut data: Vec<&str> = chunks.iter().map(String::as_str).collect();
    assert_eq!(events(&data), "input 7, output 3");
    data.extend([last, "[DONE]"]);
    assert_eq!(events(&data), "input 7, output 5");
}

#[test]
fn continuous_usage_of_two_choices_is_of_each_until_the_last() {
    let chunk = |index, output| {
        format!(
            r#"{{"choices":[{{"index":{index},"delta":{{"content":"a"}}}}],"usage":{{"prompt_tokens":7,"completion_tokens":{output}}}}}"#
        )
    };
    let chunks = [chunk(0, 1), chunk(1, 1), chunk(1, 2), chunk(0, 2), chunk(0, 3)];
    let mut data: Vec<&str> = chunks.iter().map(String::as_str).collect();
    assert_eq!(events(&data), "input 7, output 5");
    data.push(r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":6}}"#);
    assert_eq!(events(&data), "input 7, output 6");
}

#[test]
fn a_sum_of_several_choices_is_no_report_of_one() {
    let chunk = |index, finish: &str| {
        format!(
            r#"{{"choices":[{{"index":{index},"delta":{{"content":"a"}},"finish_reason":{finish}}}],"usage":null}}"#
        )
    };
    let chunks = [chunk(0, "null"), chunk(1, "null"), chunk(0, "\"stop\""), chunk(1, "\"length\"")];
    let mut data: Vec<&str> = chunks.iter().map(String::as_str).collect();
    assert_eq!(events(&data), "counted input 1000, output 4");
    data.push(r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11}}"#);
    assert_eq!(events(&data), "input 7, output 4");

    // Mistral puts the sum into the chunk of the last choice.
    let last = r#"{"choices":[{"index":1,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":4}}"#;
    assert_eq!(events(&[&chunks[0], &chunks[1], &chunks[2], last]), "input 7, output 4");
}

#[test]
fn each_prompt_of_a_stream_of_completions_is_reported_with_its_choice() {
    let last = |index, input, output| {
        format!(
            r#"{{"choices":[{{"text":" a","index":{index},"finish_reason":"length"}}],"usage":{{"completion_tokens":{output},"prompt_tokens":{input}}}}}"#
        )
    };
    let (first, second) = (last(0, 9, 3), last(1, 12, 4));
    let begin = r#"{"choices":[{"text":" a","index":1,"finish_reason":null}]}"#;
    let answer = Answer::events(Dialect::OpenAi, &[begin, &first, &second]);
    assert_eq!(answer.expecting(30, 2, 2).usage(), "input 21, output 7");
    let answer = Answer::events(Dialect::OpenAi, &[begin, &first]);
    assert_eq!(answer.expecting(30, 2, 2).usage(), "counted input 9, output 4");
}

#[test]
fn groq_and_moonshot_have_places_of_their_own() {
    let last = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req","usage":
        {"queue_time":0.02,"prompt_tokens":11,"prompt_time":0.1,"completion_tokens":4,"total_tokens":15}}}"#;
    assert_eq!(events(&[&last.replace('\n', "")]), "input 11, output 4");
    let both = r#"{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":4},"x_groq":{"usage":{"prompt_tokens":11,"completion_tokens":4}}}"#;
    assert_eq!(events(&[both]), "input 11, output 4");
    let moonshot = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":19,"completion_tokens":13,"cached_tokens":9}}]}"#;
    assert_eq!(events(&[moonshot]), "input 10, cached_input 9, output 13");
}

#[test]
fn a_response_is_reported_completed_incomplete_or_failed() {
    for end in ["completed", "incomplete", "failed"] {
        let last = format!(
            r#"{{"type":"response.{end}","response":{{"status":"{end}","output":[{{"content":[{{"text":"a b"}}]}}],"usage":
            {{"input_tokens":36,"input_tokens_details":{{"cached_tokens":4}},"output_tokens":87,
            "output_tokens_details":{{"reasoning_tokens":64}},"total_tokens":123}}}}}}"#
        )
        .replace('\n', "");
        let delta = r#"{"type":"response.output_text.delta","item_id":"msg","delta":"Hi"}"#;
        let done = r#"{"type":"response.output_text.done","item_id":"msg","text":"Hi"}"#;
        let created = r#"{"type":"response.created","response":{"status":"in_progress","usage":null}}"#;
        assert_eq!(events(&[created, delta, done]), "counted input 1000, output 1");
        let all = "input 32, cached_input 4, output 23, reasoning 64";
        assert_eq!(events(&[created, delta, done, &last]), all);
    }
}

#[test]
fn a_plain_response_of_responses_has_its_usage_at_the_root() {
    let body = r#"{"object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"one two three"}]}]"#;
    assert_eq!(
        json(&format!("{body},\"usage\":{{\"input_tokens\":5,\"output_tokens\":3}}}}")),
        "input 5, output 3"
    );
    assert_eq!(json(&format!("{body}}}")), "counted input 1000, output 3");
}

#[test]
fn sound_that_is_written_as_text_is_no_text() {
    let sound = r#"{"type":"response.audio.delta","delta":"UklGRiQAAABXQVZFZm10IBAAAAABAAEA"}"#;
    let words = r#"{"type":"response.audio.transcript.delta","delta":" hello"}"#;
    assert_eq!(events(&[sound, words, sound]), "counted input 1000, output 1");
}

#[test]
fn a_transcription_is_reported_in_tokens_or_in_seconds() {
    let tokens = r#"{"text":"Imagine the wildest idea.","usage":{"type":"tokens","input_tokens":14,
        "input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}"#;
    assert_eq!(json(tokens), "audio_input 14, output 45");
    let seconds = r#"{"text":"One two","usage":{"type":"duration","seconds":2.5}}"#;
    assert_eq!(json(seconds), "counted input 1000, output 2, sound 2.5s");
    let done = r#"{"type":"transcript.text.done","text":"One two","usage":{"type":"tokens","input_tokens":14,"output_tokens":2}}"#;
    assert_eq!(events(&[r#"{"type":"transcript.text.delta","delta":"One"}"#, done]), "input 14, output 2");
    assert_eq!(Answer::new(Dialect::OpenAi, "text/plain", "One two").usage(), "counted input 1000, output 2");
}

#[test]
fn pictures_are_output_of_their_own() {
    let usage = r#""usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":1056,"total_tokens":1106}"#;
    let all = "input 10, image_input 40, image_output 1056";
    assert_eq!(json(&format!(r#"{{"created":1,"data":[{{"b64_json":"AAAA"}}],{usage}}}"#)), all);
    let done = format!(r#"{{"type":"image_generation.completed","b64_json":"AAAA",{usage}}}"#);
    assert_eq!(events(&[r#"{"type":"image_generation.partial_image","b64_json":"AA"}"#, &done]), all);
}

#[test]
fn all_that_a_model_writes_is_counted_until_it_is_reported() {
    let delta = |delta: &str| format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
    for (piece, tokens) in [
        (r#"{"role":"assistant","content":null}"#, 0),
        (r#"{"content":""}"#, 0),
        (r#"{"content":" internationalization"}"#, 1),
        (r#"{"content":"one two three"}"#, 3),
        (r#"{"content":"\u4f60\u597d"}"#, 1),
        (r#"{"content":[{"type":"text","text":"Hi"}]}"#, 1),
        (r#"{"reasoning_content":"Hm"}"#, 1),
        (r#"{"reasoning":"Hm"}"#, 1),
        (r#"{"refusal":"No"}"#, 1),
        (r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"add","arguments":""}}]}"#, 1),
        (r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a"}}]}"#, 2),
        (r#"{"function_call":{"arguments":" 17"}}"#, 1),
        (r#"{"audio":{"id":"a","data":"UklGRiQAAABXQVZF","transcript":"Hi"}}"#, 1),
    ] {
        let expected = if tokens == 0 {
            "counted input 1000".into()
        } else {
            format!("counted input 1000, output {tokens}")
        };
        assert_eq!(events(&[&delta(piece)]), expected, "{piece}");
    }
}

#[test]
fn a_whole_text_that_follows_its_pieces_counts_once() {
    // Perplexity repeats the message so far in every chunk.
    let chunk = |delta, message| {
        format!(
            r#"{{"choices":[{{"index":0,"message":{{"content":"{message}"}},"delta":{{"content":"{delta}"}}}}]}}"#
        )
    };
    assert_eq!(events(&[&chunk("a", "a"), &chunk(" b", "a b")]), "counted input 1000, output 2");
}

#[test]
fn streams_are_framed_as_the_standard_allows() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":2}}"#;
    let halves = usage.split_at(14);
    for body in [
        format!("data: {usage}\n\n"),
        format!("data:{usage}\n\n"),
        format!("data: {usage}\r\n\r\n"),
        format!("data: {usage}\r\r"),
        format!("\u{feff}data: {usage}\n\n"),
        format!(": ping\n\n:\n\ndata: {usage}\n\n: ping\n\n"),
        format!("event: chunk\nid: 7\nretry: 10\ndata: {usage}\n\n"),
        format!("data: {usage}\nid: 7\n\n"),
        format!("data: {}\ndata:{}\n\n", halves.0, halves.1),
        format!("data: {{\"choices\":[{{\"delta\": broken\n\ndata: {usage}\n\n"),
        format!("data: {usage}\n\ndata: [DONE]\n\n"),
        format!("data: {usage}"),
    ] {
        assert_eq!(Answer::new(Dialect::OpenAi, EVENTS, &body).usage(), "input 8, output 2", "{body:?}");
    }
    for body in [format!("dat: {usage}\n\n"), format!(": data: {usage}\n\n"), format!("datas: {usage}\n\n")] {
        assert_eq!(Answer::new(Dialect::OpenAi, EVENTS, &body).usage(), "counted input 1000", "{body:?}");
    }
}

#[test]
fn the_content_type_of_the_response_decides_and_not_the_wish_for_a_stream() {
    let usage = r#"{"usage":{"prompt_tokens":8,"completion_tokens":2}}"#;
    let event = format!("data: {usage}\n\n");
    for (content_type, body) in [
        ("application/json; charset=utf-8", usage),
        ("Application/JSON", usage),
        ("application/vnd.api+json", usage),
        ("", usage),
        ("", &event),
        ("TEXT/Event-Stream", &event),
    ] {
        let mut answer = Answer::new(Dialect::OpenAi, JSON, body);
        answer.estimate.streams = true;
        if content_type.is_empty() {
            answer.head.headers.clear();
        } else {
            answer = answer.header("content-type", content_type);
        }
        assert_eq!(answer.usage(), "input 8, output 2", "{content_type}");
    }
    assert_eq!(Answer::new(Dialect::OpenAi, "audio/mpeg", "ID3 \u{7f}").usage(), "counted input 1000");
}
