//! The reader of usage in responses.

mod classes;
mod coding;
mod event_stream;
mod field;
mod made_text;
mod outputs;
mod place;
mod pointers;
mod repeated;
mod scanner;
mod tally;
mod word;

use std::time::Duration;

use http::response::Parts;

use crate::{Dialect, Estimate, MediaType, TokenClass, TokenWeights, Usage};

use coding::Coding;
use event_stream::{EventPart, EventStream};
use field::{Field, tokens};
use place::Place;
use repeated::Repeated;
use scanner::Scanner;
use tally::Tally;

pub(crate) use pointers::AnswerPointers;
pub use repeated::Repetition;
pub(crate) use word::Word;

/// The reader of the usage in one response, while its bytes pass.
///
/// It reads JSON, streams of events and lines of JSON, by the content type of the response, and keeps none of the text: about
/// 4 KB for each response. Where the server has not reported its usage, or not yet, the tokens are those of the estimate and
/// those that were counted in the text that has passed.
///
/// ```
/// use sluicegate_policy::{Dialect, Estimate, UsageSource, Usage, UsageReader};
///
/// let response = http::Response::builder().header("content-type", "text/event-stream").body(())?;
/// let estimate = Estimate { input: 9, ..Estimate::default() };
/// let mut reader = UsageReader::new(Dialect::OpenAi, &response.into_parts().0, &estimate);
///
/// reader.data(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n");
/// assert_eq!((reader.usage().usage, reader.usage().source), (Usage::text(9, 1), UsageSource::Counted));
///
/// reader.data(b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2}}\n\n");
/// assert_eq!((reader.usage().usage, reader.usage().source), (Usage::text(8, 2), UsageSource::Reported));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug)]
pub struct UsageReader {
    coding: Coding,
    framing: Framing,
    scanner: Scanner,
    tally: Tally,
    expected: Expected,
    /// The bytes in a coding that could not be read.
    opaque: u64,
    /// The last bytes were one event, which repeats an earlier one.
    repetition: Option<Repetition>,
}

/// The usage of one response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Actual {
    /// The tokens by class.
    pub usage: Usage,
    /// The source of the numbers.
    pub source: UsageSource,
    /// The length of the sound that the model heard, where the server reports that. Some transcriptions have no tokens.
    pub sound: Option<Duration>,
}

/// The source of a usage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UsageSource {
    /// The server has reported all of it.
    Reported,
    /// Some of it was estimated or counted.
    Counted,
}

/// The part of an estimate that stands in for numbers that are not reported.
#[derive(Clone, Copy, Debug)]
struct Expected {
    input: u64,
    /// The most output of all choices.
    output: Option<u64>,
    prompts: u64,
    choices: u64,
    is_without_output: bool,
}

/// The framing of documents in a body.
#[derive(Clone, Debug)]
enum Framing {
    Events(EventStream, Repeated),
    /// A document on each line.
    Lines,
    /// One document, or an array of them.
    Document,
    /// Text that is the answer itself.
    Text,
    /// Sound, pictures and the like.
    Media,
    /// No content type says it. The first byte will.
    Unnamed,
}

impl UsageReader {
    /// The reader for the response with this head to a request with this estimate.
    #[must_use]
    pub fn new(dialect: Dialect, head: &Parts, estimate: &Estimate) -> Self {
        let mut tally = Tally::in_dialect(dialect);
        if dialect == Dialect::Tgi {
            for (name, field) in [("x-prompt-tokens", Field::Input), ("x-generated-tokens", Field::Output)] {
                if let Some(number) = head.headers.get(name).and_then(|value| tokens(value.as_bytes())) {
                    tally.put(field, number);
                }
            }
        }
        Self::of(head, estimate, Scanner::new(Place::Document(dialect)), tally)
    }

    /// The reader for a response whose usage is where these pointers lead to.
    pub(crate) fn pointed(pointers: &AnswerPointers, head: &Parts, estimate: &Estimate) -> Self {
        let mut reader =
            Self::of(head, estimate, Scanner::pointed(pointers), Tally::pointed(pointers.convention()));
        if matches!(reader.framing, Framing::Text) {
            // The policy says that it is JSON, whatever its server calls it.
            reader.framing = Framing::Unnamed;
        }
        reader
    }

    fn of(head: &Parts, estimate: &Estimate, scanner: Scanner, tally: Tally) -> Self {
        Self {
            coding: Coding::of(&head.headers),
            framing: Framing::of(MediaType::of(&head.headers)),
            scanner,
            tally,
            expected: Expected::of(estimate),
            opaque: 0,
            repetition: None,
        }
    }

    /// Takes the next bytes of the body, as they are sent, at whatever split.
    pub fn data(&mut self, bytes: &[u8]) {
        let Self { coding, framing, scanner, tally, .. } = self;
        self.repetition = None;
        let mut rest = bytes;
        if let (Coding::Identity, Framing::Events(events, repeated)) = (&*coding, &mut *framing)
            && events.is_at_event()
            && scanner.is_between()
        {
            // Most pieces of a stream are nothing else.
            while let Some((text, behind)) = repeated.find(rest) {
                tally.repeat(&text);
                if behind.is_empty() {
                    let is_alone = rest.len() == bytes.len();
                    self.repetition = is_alone.then(|| repeated.last());
                    return;
                }
                rest = behind;
            }
        }
        self.decode(rest);
    }

    /// Apart, because a coding needs room on the stack.
    #[inline(never)]
    fn decode(&mut self, bytes: &[u8]) {
        let Self { coding, framing, scanner, tally, .. } = self;
        let unread = coding.decode(bytes, |plain| framing.read(plain, scanner, tally));
        self.opaque = self.opaque.saturating_add(unread as u64);
    }

    /// Returns the event that the last bytes were, if they were one alone that repeats an earlier one.
    #[must_use]
    pub fn repetition(&self) -> Option<Repetition> {
        self.repetition
    }

    /// Returns the usage of all that has passed.
    #[must_use]
    pub fn usage(&self) -> Actual {
        let mut actual = if self.is_within_document() {
            // As if the body ended here.
            let mut tally = self.tally.clone();
            match self.framing {
                Framing::Text => tally.end_plain(),
                _ => self.scanner.clone().finish(&mut tally),
            }
            tally.actual(&self.expected)
        } else {
            self.tally.actual(&self.expected)
        };
        if self.opaque > 0 && actual.source == UsageSource::Counted {
            // Two bytes for a token are about right for text in a dense coding, and many for a stream.
            let output = self.opaque.div_ceil(2).min(self.expected.output.unwrap_or(u64::MAX));
            let counted = actual.usage.of(TokenClass::Output);
            actual.usage = actual.usage.with(TokenClass::Output, counted.max(output));
        }
        actual
    }

    /// Returns the output tokens of all that has passed, of whatever class.
    #[must_use]
    pub fn output(&self) -> u64 {
        // Between two events of a stream, it is asked for after each, and its server has mostly reported nothing yet.
        match self.tally.counted_alone() {
            Some(counted) if self.opaque == 0 && !self.is_within_document() => counted,
            _ => self.usage().usage.output(&TokenWeights::default()),
        }
    }

    /// Returns `true` if the body is a stream of events or lines.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.framing, Framing::Events(..) | Framing::Lines)
    }

    /// Returns `true` if the stream can be [ended](crate::StreamEnding) here with an event, a line or an element of its own: none
    /// is open.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        match &self.framing {
            Framing::Events(events, _) => events.is_between(),
            Framing::Lines | Framing::Document => self.scanner.is_between_documents(),
            Framing::Text | Framing::Media | Framing::Unnamed => false,
        }
    }

    /// Returns `true` if the body has no content coding.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.coding, Coding::Identity)
    }

    fn is_within_document(&self) -> bool {
        matches!(self.framing, Framing::Text) || !self.scanner.is_between()
    }
}

impl Actual {
    /// A usage that no server has reported.
    #[must_use]
    pub fn counted(usage: Usage) -> Self {
        Self { usage, source: UsageSource::Counted, sound: None }
    }

    /// A usage that the server has told in another way than by its response.
    #[must_use]
    pub fn told(usage: Usage) -> Self {
        Self { usage, source: UsageSource::Reported, sound: None }
    }

    /// Returns `true` if the server has reported all of it.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.source == UsageSource::Reported
    }
}

impl Expected {
    fn of(estimate: &Estimate) -> Self {
        let choices = estimate.choices.max(1);
        Self {
            input: estimate.input,
            output: estimate.max_output.map(|output| output.saturating_mul(choices)),
            prompts: estimate.prompts.max(1),
            choices,
            is_without_output: estimate.is_without_output,
        }
    }
}

impl Framing {
    fn of(media_type: MediaType) -> Self {
        match media_type {
            MediaType::Events => Self::Events(EventStream::new(), Repeated::default()),
            MediaType::Lines => Self::Lines,
            MediaType::Json => Self::Document,
            MediaType::Text => Self::Text,
            MediaType::Other => Self::Media,
            MediaType::Unnamed => Self::Unnamed,
        }
    }

    fn read(&mut self, mut bytes: &[u8], scanner: &mut Scanner, tally: &mut Tally) {
        if matches!(self, Self::Unnamed) {
            let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else { return };
            *self = match first {
                b'{' | b'[' => Self::Document,
                _ => Self::Events(EventStream::new(), Repeated::default()),
            };
        }
        match self {
            Self::Events(events, repeated) => {
                while !bytes.is_empty() && events.is_at_event() && scanner.is_between() {
                    if let Some((text, rest)) = repeated.find(bytes) {
                        tally.repeat(&text);
                        bytes = rest;
                        continue;
                    }
                    let Some(event) = repeated.first_event(bytes) else { break };
                    tally.only_text = None;
                    read_events(events, event, scanner, tally);
                    repeated.miss();
                    if let Some(only) = &tally.only_text {
                        repeated.learn(event, only);
                    }
                    bytes = &bytes[event.len()..];
                }
                read_events(events, bytes, scanner, tally);
            }
            Self::Lines => {
                while let Some(end) = memchr::memchr(b'\n', bytes) {
                    scanner.scan(&bytes[..end], tally);
                    scanner.finish(tally);
                    bytes = &bytes[end + 1..];
                }
                scanner.scan(bytes, tally);
            }
            Self::Document => scanner.scan(bytes, tally),
            Self::Text => tally.plain(bytes),
            Self::Media | Self::Unnamed => {}
        }
    }
}

fn read_events(events: &mut EventStream, bytes: &[u8], scanner: &mut Scanner, tally: &mut Tally) {
    events.read(bytes, |part| match part {
        EventPart::Data(data) => scanner.scan(data, tally),
        EventPart::End => scanner.finish(tally),
    });
}
