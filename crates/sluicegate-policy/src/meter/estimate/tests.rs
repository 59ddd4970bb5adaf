use super::*;

fn read(dialect: Dialect, path: &str, body: &str) -> Estimate {
    Estimate::of_request(dialect, path, body.as_bytes()).unwrap()
}

fn refused(body: &str) -> String {
    Estimate::read(Dialect::OpenAi, body.as_bytes()).unwrap_err().to_string()
}

/// The most output tokens of a chat with these members.
fn chat_output(members: &str) -> u64 {
    let body = format!(r#"{{"messages": [{{"role": "user", "content": "hi"}}], {members}}}"#);
    read(Dialect::OpenAi, "", &body).output(500)
}

#[test]
fn requests_of_every_dialect_have_known_estimates() {
    use Dialect::{Anthropic, Cohere, Gemini, LlamaCpp, Ollama, OpenAi, Tgi};
    for (dialect, path, body, input, output) in [
        // As sent to llama.cpp's server. Its own counts are 27 for the chat, whose template is longer, and 9 for the rest.
        (
            OpenAi,
            "/v1/chat/completions",
            r#"{"messages":[{"role":"user","content":"Count to five."}],"max_tokens":6,"temperature":0,"seed":1}"#,
            11,
            6,
        ),
        (OpenAi, "/v1/completions", r#"{"prompt":"Count: 1 2 3","max_tokens":3,"stream":true}"#, 7, 3),
        (
            OpenAi,
            "/v1/embeddings",
            r#"{"model":"x","input":["a","b c","d e f"],"encoding_format":"base64"}"#,
            9,
            0,
        ),
        (OpenAi, "/v1/responses", r#"{"model":"x","max_output_tokens":6,"input":"Count to five."}"#, 12, 6),
        (
            Anthropic,
            "/v1/messages",
            r#"{"model":"x","messages":[{"role":"user","content":"Count to five."}],"max_tokens":3}"#,
            11,
            3,
        ),
        (LlamaCpp, "/completion", r#"{"prompt":"Count: 1 2 3","n_predict":4,"stream":true}"#, 7, 4),
        // Two prompts, and two choices of each.
        (OpenAi, "/v1/completions", r#"{"prompt":["one two","three"],"max_tokens":10,"n":2}"#, 5, 40),
        (OpenAi, "/v1/completions", r#"{"prompt":[[1,2,3],[4,5]],"max_tokens":10}"#, 5, 20),
        (OpenAi, "/v1/completions", r#"{"prompt":[1,2,3,4],"max_tokens":10}"#, 4, 10),
        (OpenAi, "/v1/chat/completions", r#"{"messages":[{"role":"user","content":"hi"}]}"#, 8, 500),
        (
            OpenAi,
            "",
            r#"{"messages":[{"role":"user","content":"hi"},{"role":"user","content":"hi"}],"max_completion_tokens":7}"#,
            13,
            7,
        ),
        (
            Anthropic,
            "",
            r#"{"system":[{"type":"text","text":"Be brief."}],"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"max_tokens":9}"#,
            11,
            9,
        ),
        (
            Ollama,
            "/api/chat",
            r#"{"messages":[{"role":"user","content":"hi"}],"options":{"num_predict":9}}"#,
            8,
            9,
        ),
        (Ollama, "/api/generate", r#"{"prompt":"hi","system":"Be brief.","context":[1,2,3]}"#, 8, 500),
        (Tgi, "/generate", r#"{"inputs":"hi","parameters":{"max_new_tokens":20,"best_of":3}}"#, 2, 60),
        (
            Gemini,
            "/v1beta/models/gemini-2.5-flash:generateContent",
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"systemInstruction":{"parts":[{"text":"Be brief."}]},"generationConfig":{"maxOutputTokens":30,"candidateCount":2}}"#,
            11,
            60,
        ),
        (Cohere, "/v2/chat", r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":8}"#, 8, 8),
        (
            Cohere,
            "/v1/chat",
            r#"{"message":"hi","chat_history":[{"role":"USER","message":"hi"}],"max_tokens":8}"#,
            10,
            8,
        ),
    ] {
        let estimate = read(dialect, path, body);
        assert_eq!((estimate.input, estimate.output(500)), (input, output), "{body}");
    }
}

#[test]
fn the_path_tells_the_model_the_stream_and_the_interface() {
    let body = r#"{"contents": [{"parts": [{"text": "hi"}]}]}"#;
    let stream = read(Dialect::Gemini, "/v1beta/models/gemini-2.5-flash:streamGenerateContent", body);
    assert_eq!((stream.model.as_deref(), stream.streams), (Some("gemini-2.5-flash"), true));
    let azure = read(Dialect::OpenAi, "/openai/deployments/gpt-4o/chat/completions", r#"{"messages": []}"#);
    assert_eq!((azure.model.as_deref(), azure.streams), (Some("gpt-4o"), false));
    assert!(read(Dialect::Tgi, "/generate_stream", r#"{"inputs": "hi"}"#).streams);
    assert!(read(Dialect::Ollama, "/api/chat", r#"{"messages": []}"#).streams);
    assert!(!read(Dialect::Ollama, "/api/chat", r#"{"messages": [], "stream": false}"#).streams);
    for path in [
        "/v1/embeddings",
        "/v1/rerank/",
        "/v1/messages/count_tokens",
        "/v1/models/e:embedContent",
        "/api/embed",
    ] {
        let estimate = read(Dialect::OpenAi, path, r#"{"input": "hi", "query": "hi", "documents": ["a b"]}"#);
        assert_eq!((estimate.output(500), estimate.input > 4), (0, true), "{path}");
    }
}

#[test]
fn a_stream_is_one_only_if_the_request_says_so() {
    let asks = |members: &str| {
        let estimate = read(Dialect::OpenAi, "", &format!("{{{members}}}"));
        (estimate.streams, estimate.asks_for_usage)
    };
    assert_eq!(asks(r#""stream": true"#), (true, false));
    assert_eq!(asks(r#""stream": true, "stream_options": {"include_usage": true}"#), (true, true));
    assert_eq!(asks(r#""stream": true, "stream_options": {"include_usage": false}"#), (true, false));
    assert_eq!(asks(r#""stream": "yes", "stream_options": "yes""#), (false, false));
    assert_eq!(asks(r#""stream": null, "stream_options": null"#), (false, false));
}

#[test]
fn the_largest_of_all_names_is_the_maximum() {
    for (members, output) in [
        (r#""max_tokens": 5"#, 5),
        (r#""max_tokens": 5, "max_completion_tokens": 900"#, 900),
        (r#""max_tokens": 900, "max_completion_tokens": 5"#, 900),
        (r#""max_tokens": 5, "n_predict": 900"#, 900),
        (r#""max_tokens": 5, "options": {"num_predict": 900}"#, 900),
        (r#""max_tokens": 5, "max_output_tokens": 900, "parameters": {"max_new_tokens": 7}"#, 900),
        (r#""max_tokens": 5, "generationConfig": {"maxOutputTokens": 900}"#, 900),
        (r#""max_tokens": null, "max_completion_tokens": 5"#, 5),
        ("\"max\\u005ftokens\": 5", 5),
        // One token all the same.
        (r#""max_tokens": 0"#, 1),
        // No maximum at all.
        (r#""max_tokens": null"#, 500),
        (r#""max_tokens": -1"#, 500),
        (r#""max_tokens": -0.5"#, 500),
        (r#""max_completion_tokens": 0"#, 500),
        (r#""max_completion_tokens": 0, "max_tokens": 5"#, 5),
        (r#""max_tokens": 5, "n_predict": -1"#, 500),
        (r#""max_tokens": 900, "n_predict": -1"#, 900),
        // Rounded up.
        (r#""max_tokens": 15.2"#, 16),
        (r#""max_tokens": 1e3"#, 1000),
        // Larger than anything.
        (r#""max_tokens": 9223372036854775808"#, 1 << 63),
        (r#""max_tokens": 1e300, "n": 7"#, u64::MAX),
        (r#""max_tokens": 123456789012345678901234567890"#, u64::MAX),
        // Choices.
        (r#""max_tokens": 5, "n": 1000000"#, 5_000_000),
        (r#""max_tokens": 5, "n": 2, "best_of": 4"#, 20),
        (r#""max_tokens": 5, "n": 0"#, 5),
        (r#""max_tokens": 5, "n": null, "best_of": -3"#, 5),
        (r#""max_tokens": 5, "n": 1.5"#, 10),
        (r#""max_tokens": 18446744073709551615, "n": 18446744073709551615"#, u64::MAX),
    ] {
        assert_eq!(chat_output(members), output, "{members}");
    }
}

#[test]
fn a_name_that_some_servers_ignore_never_lowers_the_output() {
    for members in [
        r#""n_predict": 1"#,
        r#""num_predict": 1"#,
        r#""max_output_tokens": 1"#,
        r#""options": {"num_predict": 1}"#,
        r#""parameters": {"max_new_tokens": 1}"#,
        r#""generationConfig": {"maxOutputTokens": 1}"#,
    ] {
        assert_eq!(chat_output(members), 500, "{members}");
    }
    // But it raises it, for it may be read.
    assert_eq!(chat_output(r#""n_predict": 9000"#), 9000);
    let ollama = |options: &str| read(Dialect::Ollama, "/api/chat", options).output(500);
    assert_eq!(ollama(r#"{"max_tokens": 1, "num_predict": 1}"#), 500);
    assert_eq!(ollama(r#"{"options": {"num_predict": 0}}"#), 500);
    assert_eq!(ollama(r#"{"options": {"num_predict": -2}}"#), 500);
    let completion = r#"{"prompt": "hi", "max_completion_tokens": 1}"#;
    assert_eq!(read(Dialect::OpenAi, "/v1/completions", completion).output(500), 500);
    assert_eq!(
        read(Dialect::OpenAi, "/v1/responses", r#"{"input": "hi", "max_tokens": 1}"#).output(500),
        500
    );
}

#[test]
fn values_that_are_no_numbers_are_refused() {
    for (members, error) in [
        (r#""max_tokens": "100""#, "`/max_tokens` must be a whole number; it is a string"),
        (r#""max_tokens": true"#, "`/max_tokens` must be a whole number; it is a truth value"),
        (
            r#""max_completion_tokens": [9]"#,
            "`/max_completion_tokens` must be a whole number; it is an array",
        ),
        (r#""n": {}"#, "`/n` must be a whole number; it is an object"),
        (
            r#""options": {"num_predict": "9"}"#,
            "`/options/num_predict` must be a whole number; it is a string",
        ),
        (r#""max_tokens": 1e999"#, "the body is not valid JSON: number out of range at line 1 column 20"),
    ] {
        assert_eq!(refused(&format!("{{{members}}}")), error);
    }
    for body in ["", "[]", "\"hi\"", "{", "{}{}", "{\"messages\": [\"\\ud800\"]}", "{\"prompt\": \"\u{1}\"}"]
    {
        assert!(refused(body).starts_with("the body is not valid JSON"), "{body}");
    }
}

#[test]
fn bytes_that_are_no_text_are_a_fault_only_where_they_count() {
    let read = |body: &[u8]| Estimate::of_request(Dialect::OpenAi, "", body);
    assert_eq!(read(b"{\"user\": \"\xff\", \"prompt\": \"one two\"}").unwrap().input, 3);
    for body in
        [&b"{\"prompt\": \"\xff\"}"[..], b"{\"prompt\": \"\\n\xc3\"}", b"{\"prompt\": \"\xed\xa0\x80\"}"]
    {
        let error = read(body).unwrap_err().to_string();
        assert!(
            error.starts_with("the body is not valid JSON: invalid unicode code point at line 1"),
            "{error}"
        );
    }
}

#[test]
fn a_member_that_counts_may_not_be_there_twice() {
    for (body, pointer) in [
        (r#"{"max_tokens": 1, "max_tokens": 9}"#, "/max_tokens"),
        ("{\"n\": 1, \"\\u006e\": 9}", "/n"),
        (r#"{"messages": [], "messages": []}"#, "/messages"),
        (r#"{"model": "a", "model": "b"}"#, "/model"),
        (r#"{"stream": true, "stream": false}"#, "/stream"),
        (r#"{"options": {"num_predict": 1, "num_predict": 9}}"#, "/options/num_predict"),
        (r#"{"options": {}, "options": {"num_predict": 9}}"#, "/options"),
        (r#"{"parameters": {"best_of": 1, "best_of": 9}}"#, "/parameters/best_of"),
    ] {
        assert_eq!(refused(body), format!("`{pointer}` is in the body twice"));
    }
    // What is there twice in a message is counted twice.
    let once = read(Dialect::OpenAi, "", r#"{"messages": [{"content": "one two three"}]}"#);
    let twice = read(
        Dialect::OpenAi,
        "",
        r#"{"messages": [{"content": "one two three", "content": "one two three"}]}"#,
    );
    assert_eq!((once.input, twice.input), (9, 12));
    assert_eq!(
        read(Dialect::OpenAi, "", r#"{"user": "a", "user": "b", "max_tokens": 3}"#).max_output,
        Some(3)
    );
}

#[test]
fn pictures_cost_by_their_size() {
    // The head of a picture of 1024 × 512 pixels, and many bytes.
    let png = format!("iVBORw0KGgoAAAANSUhEUgAABAAAAAIACAYAAAA{}", "A".repeat(200_000));
    let openai = |part: &str, model: &str| {
        let body =
            format!(r#"{{"model": "{model}", "messages": [{{"role": "user", "content": [{part}]}}]}}"#);
        read(Dialect::OpenAi, "", &body).input - 7
    };
    let url = format!(r#"{{"type": "image_url", "image_url": {{"url": "data:image/png;base64,{png}"}}}}"#);
    assert_eq!(openai(&url, "gpt-4o"), 85 + 2 * 170);
    let low = url.replace("}}", r#", "detail": "low"}}"#);
    assert_eq!(openai(&low, "gpt-4o"), 85);
    let first = format!(
        r#"{{"type": "image_url", "image_url": {{"detail": "low", "url": "data:image/png;base64,{png}"}}}}"#
    );
    assert_eq!(openai(&first, "gpt-4o"), 85);
    assert_eq!(openai(&url, "gpt-5"), 512);
    assert_eq!(openai(&url, "qwen2-vl"), 37 * 19);
    let away = r#"{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}"#;
    assert_eq!(openai(away, "gpt-4o"), 1105);
    let flat =
        format!(r#"{{"type": "input_image", "image_url": "data:image/png;base64,{png}", "detail": "low"}}"#);
    assert_eq!(openai(&flat, "gpt-4o"), 85);

    let source = format!(r#"{{"type": "base64", "media_type": "image/png", "data": "{png}"}}"#);
    let anthropic = |source: &str| {
        let body = format!(
            r#"{{"messages": [{{"role": "user", "content": [{{"type": "image", "source": {source}}}]}}]}}"#
        );
        read(Dialect::Anthropic, "", &body).input - 7
    };
    assert_eq!(anthropic(&source), 37 * 19);
    let body = format!(
        r#"{{"contents": [{{"parts": [{{"inlineData": {{"data": "{png}", "mimeType": "image/png"}}}}]}}]}}"#
    );
    assert_eq!(read(Dialect::Gemini, "", &body).input - 6, 258 * 4 * 2);
    let body = format!(r#"{{"messages": [{{"role": "user", "content": "hi", "images": ["{png}"]}}]}}"#);
    assert_eq!(read(Dialect::Ollama, "", &body).input - 8, 37 * 19);
    let sound = format!(
        r#"{{"type": "input_audio", "input_audio": {{"data": "SUQz{}", "format": "mp3"}}}}"#,
        "A".repeat(40_000)
    );
    assert_eq!(openai(&sound, "gpt-4o"), 76);
}

#[test]
fn text_in_the_place_of_a_medium_counts_as_text() {
    let text = "word ".repeat(1000);
    let documents = [
        format!(
            r#"{{"type": "document", "source": {{"type": "text", "media_type": "text/plain", "data": "{text}"}}}}"#
        ),
        format!(
            r#"{{"type": "document", "source": {{"data": "{text}", "media_type": "text/plain", "type": "text"}}}}"#
        ),
        format!(
            r#"{{"type": "document", "source": {{"type": "content", "content": [{{"type": "text", "text": "{text}"}}]}}}}"#
        ),
        format!(
            r#"{{"type": "tool_use", "id": "1", "name": "f", "input": {{"image": "{text}", "data": "x"}}}}"#
        ),
        format!(r#"{{"type": "{text}"}}"#),
        format!(r#"{{"type": "text", "text": "data:image/png;base64,{text}"}}"#),
        format!(r#"{{"role": "{text}"}}"#),
        format!(r#"{{"unknown": {{"deeper": [["{text}"]]}}}}"#),
    ];
    for document in documents {
        let body = format!(r#"{{"messages": [{{"role": "user", "content": [{document}]}}]}}"#);
        let input = read(Dialect::Anthropic, "", &body).input;
        assert!((1000..1700).contains(&input), "{input} {document:.90}");
    }
}

#[test]
fn tools_cost_their_texts_and_their_frames() {
    let tool = r#"{"name": "weather", "description": "Tells the weather.", "parameters": {"type": "object", "properties":
        {"city": {"type": "string", "description": "A city."}, "unit": {"type": "string", "enum": ["C", "F"]}}, "required": ["city"]}}"#;
    let body =
        |tools: &str, model: &str| format!(r#"{{"model": "{model}", "messages": [], "tools": [{tools}]}}"#);
    let function = format!(r#"{{"type": "function", "function": {tool}}}"#);
    let input = |body: &str| read(Dialect::OpenAi, "", body).input;
    assert_eq!(input(&body("", "gpt-4o")), 0);
    // 12 around, 7 for the function, 3 for each property and each value, and the texts.
    let texts = input(&body(&function, "gpt-4o")) - (12 + 7 + 2 * 3 + 2 * 3);
    assert!((14..30).contains(&texts), "{texts}");
    assert_eq!(input(&body(&function, "gpt-3.5-turbo")), input(&body(&function, "gpt-4-0613")));
    assert!(input(&body(&function, "qwen3")) > input(&body(&function, "gpt-4o")));
    let anthropic = tool.replace("parameters", "input_schema");
    assert!(read(Dialect::Anthropic, "", &body(&anthropic, "claude-sonnet-4-5")).input > 346);
    let gemini = format!(r#"{{"functionDeclarations": [{tool}]}}"#);
    assert_eq!(input(&body(&gemini, "gpt-4o")), input(&body(&function, "gpt-4o")));
}

#[test]
fn prompts_in_prompts_and_large_ones_are_counted() {
    let many = format!(r#"{{"prompt": [{}"hi"], "max_tokens": 2}}"#, r#""hi", "#.repeat(9999));
    let estimate = read(Dialect::OpenAi, "/v1/completions", &many);
    assert_eq!((estimate.prompts, estimate.choices, estimate.output(0)), (10_000, 10_000, 20_000));
    let nested =
        r#"{"prompt": [[[1, 2], "a b"], {"prompt_string": "c d", "multimodal_data": []}], "max_tokens": 2}"#;
    let estimate = read(Dialect::LlamaCpp, "/completion", nested);
    assert!(estimate.prompts >= 2 && estimate.input >= 6, "{estimate:?}");
    let large = format!(r#"{{"prompt": "{}"}}"#, "lorem ipsum ".repeat(90_000));
    assert!((180_000..300_000).contains(&read(Dialect::OpenAi, "", &large).input));
    for deep in ["[", "{\"a\":", "{\"content\":", "{\"source\":"] {
        let body = format!("{{\"messages\": {}", deep.repeat(100_000));
        assert!(refused(&body).starts_with("the body is not valid JSON"), "{deep}");
    }
}
