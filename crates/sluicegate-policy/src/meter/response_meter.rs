//! The meter of one response.

use bytes::Bytes;
use http::{StatusCode, response};

use super::usage_reader::{Repetition, UsageReader};
use crate::{Actual, Dialect, Estimate, MediaType, Refunds, StreamEnding, TokenMeter, Usage};

/// The meter of one response, from its head to its end.
#[derive(Debug)]
pub struct ResponseMeter {
    dialect: Option<Dialect>,
    status: StatusCode,
    refunds: Refunds,
    media_type: MediaType,
    /// The answer comes as the model makes it.
    is_stream: bool,
    reader: UsageReader,
    is_complete: bool,
}

impl ResponseMeter {
    pub(crate) fn new(meter: &TokenMeter, head: &response::Parts, estimate: &Estimate) -> Self {
        let (dialect, media_type) = (meter.dialect(), MediaType::of(&head.headers));
        // Gemini's stream is an array in JSON unless it is asked for as events.
        let is_array = dialect == Some(Dialect::Gemini) && media_type == MediaType::Json && estimate.streams;
        Self {
            dialect,
            status: head.status,
            refunds: meter.refunds,
            media_type,
            is_stream: media_type.is_stream() || is_array,
            reader: meter.usage_reader(head, estimate),
            is_complete: false,
        }
    }

    /// Sees the next bytes of the body.
    pub fn data(&mut self, data: &[u8]) {
        self.reader.data(data);
    }

    /// Learns that the body has ended as it should.
    pub fn complete(&mut self) {
        self.is_complete = true;
    }

    /// Returns the output tokens that have come so far, at the end of an event, where a stream can be cut.
    #[must_use]
    pub fn produced(&self) -> Option<u64> {
        self.reader.is_between_events().then(|| self.reader.output())
    }

    /// Returns the last bytes of a stream that is cut for this reason: none for one with a content coding, which they would not
    /// be in. `None` if the answer is no stream.
    #[must_use]
    pub fn ending(&self, reason: &str) -> Option<Bytes> {
        let ending = StreamEnding { status: StatusCode::TOO_MANY_REQUESTS, message: reason };
        match (self.is_stream, self.reader.is_plain()) {
            (true, true) => ending.in_dialect(self.dialect, self.media_type),
            (true, false) => Some(Bytes::new()),
            (false, _) => None,
        }
    }

    /// Returns the event that the last bytes were, if they were one alone that repeats an earlier one with another text.
    #[must_use]
    pub fn repetition(&self) -> Option<Repetition> {
        self.reader.repetition()
    }

    /// Returns `true` if the answer is a stream of events whose bytes are the events themselves, so that some can be taken out.
    #[must_use]
    pub fn is_plain_event_stream(&self) -> bool {
        self.media_type == MediaType::Events && self.reader.is_plain()
    }

    /// Returns `true` if the body has ended as it should.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns what the request has used, as far as it has been answered. `None` if nobody knows: an answer in one piece
    /// broke off before its usage, and may have been made as a whole, or it failed with a status that gives nothing back.
    #[must_use]
    pub fn actual(&self) -> Option<Actual> {
        let actual = self.reader.usage();
        if actual.is_reported() {
            Some(actual)
        } else if self.status.is_client_error() || self.status.is_server_error() {
            self.refunds.has(self.status).then(|| Actual::counted(Usage::default()))
        } else {
            (self.is_complete || self.is_stream || self.reader.is_stream()).then_some(actual)
        }
    }
}
