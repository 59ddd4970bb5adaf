//! The estimate of a request's tokens: megabytes of text in a second, and the time of a prompt of 400 KB.
//!
//!     cargo bench -p sluicegate-bench --bench estimate
//!
//! Beside it stands the time in which `serde_json` reads over the same request and keeps nothing.

#![expect(clippy::print_stdout, reason = "a report is printed")]

use std::{hint::black_box, time::Instant};

use serde::de::IgnoredAny;
use sluicegate_policy::{Dialect, Estimate, TextTokens, Tokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("| 400 KB of | text, MB/s | request, µs | serde_json alone, µs |\n|---|---|---|---|");
    for (name, sample) in SAMPLES {
        let text = sample.repeat(400_000 / sample.len());
        let content = serde_json::to_string(&text)?;
        let body =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}],"max_tokens":16}}"#);
        let counted = fastest(|| TextTokens::of(black_box(&text), Tokenizer::O200k));
        let read = fastest(|| Estimate::read(Dialect::OpenAi, black_box(body.as_bytes())));
        let ignored = fastest(|| serde_json::from_slice::<IgnoredAny>(black_box(body.as_bytes())));
        let megabytes = text.len() as f64 / 1e6 / counted;
        println!("| {name} | {megabytes:.0} | {:.0} | {:.0} |", 1e6 * read, 1e6 * ignored);
    }
    Ok(())
}

/// The seconds of the fastest of many runs.
#[expect(clippy::disallowed_methods, reason = "this is where time is measured")]
fn fastest<T>(run: impl Fn() -> T) -> f64 {
    let time = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64()
    };
    (0..200).map(time).fold(f64::MAX, f64::min)
}

const SAMPLES: [(&str, &str); 5] = [
    (
        "English",
        "The gate opens at nine, and whoever comes late has to wait until the first visitors have left it.\n",
    ),
    (
        "German",
        "Die Schleuse öffnet um neun Uhr; wer später kommt, muß warten, bis die ersten Gäste hinausgehen.\n",
    ),
    ("Chinese", "闸门每天早上九点开启，迟到的人必须等待第一批访客离开之后才能进入。"),
    (
        "Python",
        "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total\n",
    ),
    ("numbers", "0.8444218515250481,0.7579544029403025,0.420571580830845,12,17,2026-03-01T10:15:00Z\n"),
];
