//! Usage in the responses of model servers.

use std::{borrow::Cow, sync::LazyLock};

use bytes::Bytes;
use serde_json::Value;
use sluicegate_policy::{
    Actual, Dialect, Estimate, Policy, Source, TokenMeter, TokenWeights, UsageReader, UsageSource,
    UsageStripper, ask_for_usage,
};

/// A stream of events has the same usage at any split, and without the usage that was not asked for it has the same text at
/// any split. The first byte says the meter and the second one the split.
pub fn usage_events(input: &[u8]) {
    let Some((meter, seed, body)) = parts(input) else { return };
    reads_alike(&meter, "text/event-stream", body, seed);
    let whole = stripped([body]);
    assert!(whole.len() <= body.len());
    assert_eq!(stripped(pieces(body, seed)), whole);
}

/// Lines of JSON have the same usage at any split.
pub fn usage_lines(input: &[u8]) {
    let Some((meter, seed, body)) = parts(input) else { return };
    reads_alike(&meter, "application/x-ndjson", body, seed);
}

/// A document has the same usage at any split, and the one that is in it when it is built as a whole. As a request, it differs
/// in nothing but the usage that is asked for.
pub fn usage_json(input: &[u8]) {
    let Some((meter, seed, body)) = parts(input) else { return };
    reads_alike(&meter, "application/json", body, seed);
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return };
    // Written anew, no member is there twice.
    let anew = document.to_string();
    let actual = read(&TokenMeter::new(Dialect::OpenAi), "application/json", [anew.as_bytes()]);
    if let Some((input, output)) = plain_usage(&document) {
        let weights = TokenWeights::default();
        assert_eq!((actual.usage.input(&weights), actual.usage.output(&weights)), (input, output), "{anew}");
        assert_eq!(actual.source, UsageSource::Reported);
    }
    if let Some(asking) = ask_for_usage(anew.as_bytes()) {
        let mut after: Value = serde_json::from_slice(&asking).expect("it is JSON as before");
        assert_eq!(after["stream_options"]["include_usage"], Value::Bool(true));
        let mut before = document;
        for document in [&mut before, &mut after] {
            match &mut document["stream_options"] {
                Value::Object(options) => drop(options.remove("include_usage")),
                options => *options = serde_json::json!({}),
            }
        }
        assert_eq!(before, after);
    }
}

/// The meter, the seed of the split, and the body.
fn parts(input: &[u8]) -> Option<(Cow<'static, TokenMeter>, u8, &[u8])> {
    let [meter, seed, body @ ..] = input else { return None };
    let meter = match Dialect::ALL.get(usize::from(*meter) % (Dialect::ALL.len() + 1)) {
        Some(dialect) => Cow::Owned(TokenMeter::new(*dialect)),
        None => Cow::Borrowed(POINTED.as_ref().expect("a good policy")),
    };
    Some((meter, *seed, body))
}

fn reads_alike(meter: &TokenMeter, content_type: &str, body: &[u8], seed: u8) {
    assert_eq!(read(meter, content_type, pieces(body, seed)), read(meter, content_type, [body]));
}

fn read<'a>(meter: &TokenMeter, content_type: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Actual {
    let head = http::Response::builder().header("content-type", content_type).body(());
    let estimate = Estimate { input: 1000, prompts: 2, choices: 4, ..Estimate::default() };
    let head = head.expect("a good head").into_parts().0;
    let mut reader: UsageReader = meter.usage_reader(&head, &estimate);
    pieces.into_iter().for_each(|piece| reader.data(piece));
    reader.usage()
}

/// A meter of any other server, whose policy points to places in the corpora.
static POINTED: LazyLock<Result<TokenMeter, String>> = LazyLock::new(|| {
    let source = Source::new("p.toml", POLICY.as_bytes()).map_err(|error| error.to_string())?;
    let policy = Policy::parse(&source).map_err(|error| error.to_string())?;
    let meter = policy.routes.as_slice().first().and_then(|route| route.meter().tokens());
    meter.cloned().ok_or_else(|| "no meter".to_owned())
});

const POLICY: &str = r#"
    [[route]]
    path = "/"
    limits = []

    [route.meter]
    tokens = "json"
    prompt = "/prompt"
    text = ["/choices/0/delta/content", "/choices/1/text", "/message/content", "/content/0", "/data/1"]
    summed = ["output"]
    beside = ["reasoning"]

    [route.meter.usage]
    input = ["/usage/prompt_tokens", "/usage/input_tokens", "/prompt_eval_count", "/0/n"]
    output = ["/usage/completion_tokens", "/usage/output_tokens", "/eval_count", "/tokens_predicted"]
    cached_input = "/usage/prompt_tokens_details/cached_tokens"
    reasoning = "/usage/completion_tokens_details/reasoning_tokens"
    total = "/usage/total_tokens"
"#;

fn stripped<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stripper = UsageStripper::default();
    let mut passed = Vec::new();
    for piece in pieces {
        passed.extend_from_slice(&stripper.data(Bytes::copy_from_slice(piece)));
    }
    passed.extend_from_slice(&stripper.end());
    passed
}

/// Single bytes for every eighth seed, and pieces of different lengths for the others.
fn pieces(mut body: &[u8], seed: u8) -> Vec<&[u8]> {
    if seed.is_multiple_of(8) {
        return body.chunks(1).collect();
    }
    let mut pieces = Vec::new();
    let mut random = u32::from(seed);
    while !body.is_empty() {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (random >> 24) as usize % 23 + 1;
        let (piece, rest) = body.split_at(length.min(body.len()));
        pieces.push(piece);
        body = rest;
    }
    pieces
}

/// The input and output of a document that tells both in the simplest way, and nothing else that counts.
fn plain_usage(document: &Value) -> Option<(u64, u64)> {
    let counts = [
        "choices",
        "x_groq",
        "timings",
        "prompt_progress",
        "response",
        "output",
        "text",
        "delta",
        "duration",
    ];
    let usage = document.get("usage")?.as_object()?;
    if counts.iter().any(|member| document.get(member).is_some()) || usage.len() != 2 {
        return None;
    }
    let number = |name| usage.get(name)?.as_u64().filter(|number| *number <= 1 << 40);
    Some((number("prompt_tokens")?, number("completion_tokens")?))
}
