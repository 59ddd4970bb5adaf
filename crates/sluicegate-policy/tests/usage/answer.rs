//! A response of a model server, and the usage in it.

use std::{fs, path::Path};

use http::response::Parts;
use sluicegate_policy::{Dialect, Estimate, TokenClass, Usage, UsageReader, UsageSource};

/// A response of a model server.
pub(crate) struct Answer {
    pub(crate) dialect: Dialect,
    pub(crate) head: Parts,
    /// The pieces in which it was sent.
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) estimate: Estimate,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const EVENTS: &str = "text/event-stream; charset=utf-8";
pub(crate) const LINES: &str = "application/x-ndjson";

impl Answer {
    pub(crate) fn new(dialect: Dialect, content_type: &str, body: &str) -> Self {
        let head =
            http::Response::builder().header("content-type", content_type).body(()).expect("a good answer");
        Self {
            dialect,
            head: head.into_parts().0,
            pieces: vec![body.as_bytes().to_vec()],
            estimate: Estimate { input: 1000, prompts: 1, choices: 1, ..Estimate::default() },
        }
    }

    /// A stream of events with this data in each.
    pub(crate) fn events(dialect: Dialect, data: &[&str]) -> Self {
        let mut answer = Self::new(dialect, EVENTS, "");
        answer.pieces = data.iter().map(|data| format!("data: {data}\n\n").into_bytes()).collect();
        answer
    }

    /// The recording of a real server's response.
    pub(crate) fn recorded(dialect: Dialect, name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/usage/captures/{name}.http"));
        let bytes = fs::read(file).expect("a good answer");
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a good answer");
        let (head, body) = (std::str::from_utf8(&bytes[..end]).expect("a good answer"), &bytes[end + 4..]);
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(str::to_owned)
        };
        let mut answer = Self::new(dialect, &field("Content-Type").expect("a good answer"), "");
        let is_chunked = field("Transfer-Encoding").is_some();
        answer.pieces = if is_chunked { chunks(body) } else { vec![body.to_vec()] };
        answer
    }

    pub(crate) fn expecting(mut self, input: u64, prompts: u64, choices: u64) -> Self {
        self.estimate = Estimate { input, prompts, choices, ..self.estimate };
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.head.headers.insert(name, value.parse().expect("a good answer"));
        self
    }

    pub(crate) fn reader(&self) -> UsageReader {
        UsageReader::new(self.dialect, &self.head, &self.estimate)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The usage, such as `input 5, output 6`, with `counted` before it where not all of it was reported.
    pub(crate) fn usage(&self) -> String {
        let mut reader = self.reader();
        self.pieces.iter().for_each(|piece| reader.data(piece));
        described(&reader)
    }
}

/// The usage that a reader tells, such as `input 5, output 6`.
pub(crate) fn described(reader: &UsageReader) -> String {
    let actual = reader.usage();
    let sound = actual.sound.map(|sound| format!("sound {sound:?}"));
    let classes = tokens(&actual.usage).into_iter().chain(sound).collect::<Vec<_>>().join(", ");
    match actual.source {
        UsageSource::Reported => classes,
        UsageSource::Counted => format!("counted {classes}"),
    }
}

fn tokens(usage: &Usage) -> Vec<String> {
    let classes = TokenClass::ALL.into_iter().filter(|class| usage.of(*class) > 0);
    classes.map(|class| format!("{} {}", class.name(), usage.of(class))).collect()
}

fn chunks(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    loop {
        let Some(end) = body.windows(2).position(|it| it == b"\r\n") else { return chunks };
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).expect("a good answer"), 16)
            .expect("a good answer");
        if size == 0 {
            return chunks;
        }
        chunks.push(body[end + 2..end + 2 + size].to_vec());
        body = &body[end + 4 + size..];
    }
}
