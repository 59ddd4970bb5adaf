//! The body of a streamed response, played back at its pace.

use std::collections::VecDeque;
use std::future;
use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::dialect::{Dialect, Step};
use crate::ledger::{Ended, Entry};
use crate::settings::{Failure, Settings};
use crate::socket::Reset;

/// The body of a streamed response.
pub(crate) struct Playback {
    pub(crate) answer: Answer,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) settings: Settings,
    pub(crate) entry: Entry,
    pub(crate) reset: Reset,
    script: Script,
}

impl Playback {
    pub(crate) fn new(
        answer: Answer,
        dialect: &'static dyn Dialect,
        settings: Settings,
        entry: Entry,
        reset: Reset,
    ) -> Self {
        Self { answer, dialect, settings, entry, reset, script: Script::default() }
    }

    /// The body. One that is dropped before its end is of a client that left.
    pub(crate) fn body(self) -> Body {
        Body::from_stream(stream::unfold(self, async |mut playback| {
            let piece = playback.next().await?;
            Some((piece, playback))
        }))
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.script.pieces.is_empty() {
            self.gather().await;
        }
        // The server writes what it has when its body has nothing for the moment: so each piece is a write.
        yield_now().await;
        let Some(piece) = self.script.pieces.pop_front() else { return self.fail().await };
        for tokens in piece.chunks {
            self.entry.produced(tokens);
        }
        if self.script.is_over && self.script.events.is_empty() && self.script.pieces.is_empty() {
            match self.script.failure {
                // All is written now, and nobody can leave before it.
                Failure::None => self.entry.end(Ended::Complete),
                Failure::Error | Failure::End => self.entry.end(Ended::Failed),
                Failure::Close | Failure::Reset | Failure::Hang => {}
            }
        }
        Some(Ok(piece.bytes))
    }

    /// Collects the events that are written together, and cuts them into pieces.
    async fn gather(&mut self) {
        if self.script.at == 0 && self.settings.comment && !self.script.has_waited {
            self.script.has_waited = true;
            self.script.pieces.push_back(Piece { bytes: Bytes::from_static(COMMENT), chunks: Vec::new() });
            return;
        }
        if self.script.at == 0 && self.settings.comment {
            sleep(self.settings.latency()).await;
        }
        let (mut bytes, mut chunks) = (Vec::new(), Vec::new());
        for event in 0..self.settings.join_events.max(1) {
            while self.script.events.is_empty() && !self.script.is_over {
                self.advance();
            }
            let Some(next) = self.script.events.pop_front() else { break };
            if event == 0 && next.is_paced && self.settings.pause_ms > 0 {
                sleep(self.settings.pause()).await;
            }
            bytes.extend_from_slice(next.text.as_bytes());
            chunks.extend((next.tokens > 0).then_some(next.tokens));
        }
        self.script.cut(&bytes.into(), chunks, self.settings.split_bytes);
    }

    /// Writes the next step into the script.
    fn advance(&mut self) {
        let Self { answer, dialect, settings, script, .. } = self;
        let chunks = answer.chunks() * answer.choices;
        // Step 0 opens, then one for each chunk, and one closes.
        let (step, tokens) = match script.at.checked_sub(1) {
            None => (Step::Open, 0),
            Some(delta) if settings.fails_before(delta) => {
                script.is_over = true;
                script.failure = settings.fail;
                if settings.fail != Failure::Error {
                    return;
                }
                (Step::Error("the mock model failed, as it was told"), 0)
            }
            Some(delta) if delta == chunks => {
                script.is_over = true;
                (Step::Close, 0)
            }
            Some(delta) => {
                let (chunk, choice) = (delta / answer.choices, delta % answer.choices);
                let tokens = answer.tokens(chunk);
                script.produced += tokens;
                (Step::Delta { choice, chunk, produced: script.produced }, tokens)
            }
        };
        let is_paced = tokens > 0 && script.at > 1;
        for (number, text) in dialect.events(answer, step).into_iter().enumerate() {
            // Tokens are in the first event of their step.
            let is_first = number == 0;
            let tokens = if is_first { tokens } else { 0 };
            script.events.push_back(Event { text, tokens, is_paced: is_paced && is_first });
        }
        script.at += 1;
    }

    /// Ends the stream, after its last piece.
    async fn fail(&mut self) -> Option<io::Result<Bytes>> {
        match self.script.failure {
            Failure::None | Failure::Error | Failure::End => {
                self.entry.end(if self.script.failure == Failure::None {
                    Ended::Complete
                } else {
                    Ended::Failed
                });
                return None;
            }
            Failure::Hang => future::pending().await,
            Failure::Reset => self.reset.arm(),
            Failure::Close => {}
        }
        self.entry.end(Ended::Failed);
        Some(Err(io::Error::other("the mock model breaks off, as it was told")))
    }
}

/// The progress of a stream.
#[derive(Default)]
struct Script {
    /// The next step.
    at: u64,
    /// Tokens until the next step.
    produced: u64,
    events: VecDeque<Event>,
    pieces: VecDeque<Piece>,
    has_waited: bool,
    /// No more events come.
    is_over: bool,
    failure: Failure,
}

impl Script {
    /// Cuts bytes into pieces of at most `most`, 0 for one piece. Their tokens are in the last.
    fn cut(&mut self, bytes: &Bytes, chunks: Vec<u64>, most: usize) {
        let most = if most == 0 { usize::MAX } else { most };
        let mut rest = bytes.clone();
        while rest.len() > most {
            self.pieces.push_back(Piece { bytes: rest.split_to(most), chunks: Vec::new() });
        }
        if !rest.is_empty() {
            self.pieces.push_back(Piece { bytes: rest, chunks });
        }
    }
}

struct Event {
    text: String,
    tokens: u64,
    is_paced: bool,
}

/// Bytes that are written at once, with the chunks of tokens that they complete.
struct Piece {
    bytes: Bytes,
    chunks: Vec<u64>,
}

const COMMENT: &[u8] = b": the prompt is being processed\n\n";
