//! The server's books: the tokens that each request took in and put out, and how its response ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The server's books. Totals are exact; of single requests, the latest [`Ledger::RECORDS`] that have ended are kept.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Books>);

impl Ledger {
    /// Maximum number of records.
    pub const RECORDS: usize = 100_000;

    /// The totals since the last [`clear`](Self::clear).
    pub fn totals(&self) -> Totals {
        self.books().totals
    }

    /// The requests that have ended, in the order of their ends.
    pub fn records(&self) -> Vec<Record> {
        self.books().records.iter().cloned().collect()
    }

    /// Begins new books. Requests in progress are not in them.
    pub fn clear(&self) {
        let mut books = self.books();
        let edition = books.edition + 1;
        *books = Books { edition, ..Books::default() };
    }

    /// Counts a request that was refused before anything was produced.
    pub(crate) fn refused(&self) {
        let mut books = self.books();
        books.totals.requests += 1;
        books.totals.refused += 1;
    }

    /// Begins the entry of a request, whose prompt is processed from now on.
    pub(crate) fn open(self: &Arc<Self>, record: Record) -> Entry {
        let mut books = self.books();
        books.totals.requests += 1;
        books.totals.running += 1;
        books.totals.input_tokens += record.input_tokens;
        let edition = books.edition;
        drop(books);
        Entry { ledger: Arc::clone(self), edition, record, is_open: true }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // No change can stop half-way: they are additions.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sums over all requests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Totals {
    /// Requests for generation, refused ones included.
    pub requests: u64,
    /// Requests in progress.
    pub running: u64,
    /// Requests whose response was produced to its end.
    pub complete: u64,
    /// Requests whose response failed on its way.
    pub failed: u64,
    /// Requests whose client left before the end.
    pub left: u64,
    /// Requests that were refused before anything was produced.
    pub refused: u64,
    /// Tokens of prompts.
    pub input_tokens: u64,
    /// Tokens produced, also those that no usage reported.
    pub output_tokens: u64,
    /// Chunks of tokens produced.
    pub chunks: u64,
}

/// The books' entry of one request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Record {
    /// `X-Request-Id` of the request, or its number.
    pub id: String,
    /// The path of the request.
    pub path: String,
    /// The model that the request names.
    pub model: String,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the prompt that came from a cache.
    pub cached_tokens: u64,
    /// Tokens produced.
    pub output_tokens: u64,
    /// Chunks of tokens produced.
    pub chunks: u64,
    /// The end of the response.
    pub ended: Ended,
}

/// The end of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It was produced to its end.
    Complete,
    /// It failed, as the settings say.
    Failed,
    /// The client left before.
    Left,
}

/// The entry of a request in progress. One that is dropped before its end is of a client that left.
#[derive(Debug)]
pub(crate) struct Entry {
    ledger: Arc<Ledger>,
    edition: u64,
    record: Record,
    is_open: bool,
}

impl Entry {
    /// Tokens of the prompt.
    pub(crate) fn input_tokens(&self) -> u64 {
        self.record.input_tokens
    }

    /// Adds a chunk of so many tokens.
    pub(crate) fn produced(&mut self, tokens: u64) {
        self.record.output_tokens += tokens;
        self.record.chunks += 1;
        self.change(|books, _| {
            books.totals.output_tokens += tokens;
            books.totals.chunks += 1;
        });
    }

    /// Closes the entry. Later calls change nothing.
    pub(crate) fn end(&mut self, ended: Ended) {
        if !self.is_open {
            return;
        }
        self.is_open = false;
        self.record.ended = ended;
        self.change(|books, record| {
            books.totals.running -= 1;
            match ended {
                Ended::Complete => books.totals.complete += 1,
                Ended::Failed => books.totals.failed += 1,
                Ended::Left => books.totals.left += 1,
            }
            if books.records.len() == Ledger::RECORDS {
                books.records.pop_front();
            }
            books.records.push_back(record.clone());
        });
    }

    /// Changes the books in which the entry was begun, if they are still open.
    fn change(&self, change: impl FnOnce(&mut Books, &Record)) {
        let mut books = self.ledger.books();
        if books.edition == self.edition {
            change(&mut books, &self.record);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(Ended::Left);
    }
}

#[derive(Debug, Default)]
struct Books {
    edition: u64,
    totals: Totals,
    records: VecDeque<Record>,
}
