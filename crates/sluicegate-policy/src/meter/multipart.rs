//! Fields of forms with files: `multipart/form-data`.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::stream;

use crate::{BodyError, JsonPointer};

use super::form;

/// Reads a form from its beginning until no more of it is needed: to the first file, once every field is found, or else to
/// its end.
pub(super) struct Multipart {
    /// `None` once nothing more is read. Never locked: it makes a reading one that threads can share.
    parsing: Mutex<Option<Parsing>>,
    state: Arc<Mutex<State>>,
    /// The bytes of the body that the parser has.
    parsed: usize,
}

type Parsing = Pin<Box<dyn Future<Output = Result<(), BodyError>> + Send>>;

/// The state that the parser shares with the source of its bytes.
#[derive(Default)]
struct State {
    /// The next block for the parser.
    block: Bytes,
    ended: bool,
    /// The bytes that the parser took since it last found anything.
    fruitless: usize,
    found: Vec<Option<String>>,
}

impl Multipart {
    pub(super) fn new(boundary: &str, pointers: Vec<JsonPointer>) -> Self {
        let state = Arc::new(Mutex::new(State { found: vec![None; pointers.len()], ..State::default() }));
        let form = multer::Multipart::new(blocks(Arc::clone(&state)), boundary);
        let parsing: Parsing = Box::pin(parse(form, Arc::clone(&state), pointers));
        Self { parsing: Mutex::new(Some(parsing)), state, parsed: 0 }
    }

    /// Reads on in the part of the body that has come. Returns `true` when the rest is not needed.
    ///
    /// The parser gets blocks of one size, whatever the pieces are in which the body comes. So the result does not depend on
    /// them, and neither does its work: it looks through the unfinished head of a part again with each block.
    pub(super) fn read(&mut self, held: &[u8], ended: bool) -> Result<bool, BodyError> {
        while self.parsing().is_some() {
            let rest = &held[self.parsed..];
            let (block, last) = if rest.len() >= BLOCK {
                (&rest[..BLOCK], false)
            } else if ended {
                (rest, true)
            } else {
                return Ok(false);
            };
            self.parsed += block.len();
            self.give(Bytes::copy_from_slice(block), last)?;
        }
        Ok(true)
    }

    /// Returns `true` if every field was found so far.
    pub(super) fn is_complete(&self) -> bool {
        locked(&self.state).found.iter().all(Option::is_some)
    }

    /// The texts that were found, in the order of the pointers.
    pub(super) fn found(&self) -> Vec<Option<String>> {
        locked(&self.state).found.clone()
    }

    fn parsing(&mut self) -> &mut Option<Parsing> {
        self.parsing.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&mut self, block: Bytes, last: bool) -> Result<(), BodyError> {
        {
            let mut state = locked(&self.state);
            state.fruitless += block.len();
            state.block = block;
            state.ended = last;
        }
        let Some(parsing) = self.parsing() else { return Ok(()) };
        let polled = parsing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let finished = match polled {
            Poll::Ready(result) => result.map(|()| true),
            Poll::Pending if last => Err(malformed(ENDED)),
            Poll::Pending if locked(&self.state).fruitless > LONGEST_HEAD => Err(malformed(TOO_LONG)),
            Poll::Pending => Ok(false),
        };
        if !matches!(finished, Ok(false)) {
            *self.parsing() = None;
        }
        finished.map(|_| ())
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").field("parsed", &self.parsed).finish_non_exhaustive()
    }
}

/// The boundary that a `Content-Type` names.
pub(super) fn boundary(content_type: &str) -> Result<String, BodyError> {
    multer::parse_boundary(content_type).map_err(|_| malformed("its Content-Type names no boundary"))
}

async fn parse(
    mut form: multer::Multipart<'static>,
    state: Arc<Mutex<State>>,
    pointers: Vec<JsonPointer>,
) -> Result<(), BodyError> {
    let pointers: Vec<&JsonPointer> = pointers.iter().collect();
    let error = |error: multer::Error| malformed(&error.to_string());
    while let Some(mut field) = form.next_field().await.map_err(error)? {
        let is_file = field.file_name().is_some();
        let wanted = field.name().filter(|_| !is_file).and_then(|name| form::place(&pointers, name));
        {
            let mut state = locked(&state);
            state.fruitless = 0;
            if is_file && state.found.iter().all(Option::is_some) {
                return Ok(());
            }
        }
        let mut text = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(error)? {
            locked(&state).fruitless = 0;
            if wanted.is_some() {
                text.extend_from_slice(&chunk);
            }
        }
        let Some(index) = wanted else { continue };
        let text = String::from_utf8_lossy(&text).into_owned();
        if locked(&state).found[index].replace(text).is_some() {
            return Err(BodyError::Twice(pointers[index].to_string()));
        }
    }
    Ok(())
}

/// The blocks that are given to the parser, one at a time.
fn blocks(state: Arc<Mutex<State>>) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> + Send {
    stream::poll_fn(move |_| {
        let mut state = locked(&state);
        match mem::take(&mut state.block) {
            block if !block.is_empty() => Poll::Ready(Some(Ok(block))),
            _ if state.ended => Poll::Ready(None),
            // Nobody is woken: the parser is polled with each block.
            _ => Poll::Pending,
        }
    })
}

fn malformed(why: &str) -> BodyError {
    BodyError::MalformedForm(why.to_owned())
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing panics while it is locked.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

const BLOCK: usize = 1024;
/// The most bytes before the first boundary, and of a part's head.
const LONGEST_HEAD: usize = 64 * 1024;
const TOO_LONG: &str = "no part begins within 64 KiB";
const ENDED: &str = "it ends within a part";
