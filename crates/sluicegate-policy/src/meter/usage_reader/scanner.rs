//! A scanner of JSON that takes its text in pieces and builds nothing.

use memchr::memchr2;
use smallvec::SmallVec;

use super::{
    place::{Place, Takes},
    pointers::AnswerPointers,
    word::Word,
};
use crate::meter::pointer_tree::NodeId;

/// The receiver of what a scanner meets at the places that matter.
pub(super) trait Sink {
    /// Takes note that an object or an array begins.
    fn begin(&mut self, place: Place, is_array: bool);
    /// Takes note that it ends.
    fn end(&mut self, place: Place, is_array: bool);
    /// Takes a number, a literal or a short string.
    fn word(&mut self, place: Place, word: &[u8]);
    /// Takes the next piece of a string as it is written, with its escapes.
    fn text(&mut self, place: Place, piece: &[u8], ends: bool);
}

/// A scanner of JSON that takes its text in pieces and builds nothing.
///
/// It is no validator. Text that is not JSON finds nothing, or finds what the members in it say: the server's clients are the
/// ones to complain. Arrays are transparent: their elements are at the array's own place.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    root: Place,
    /// The places of a policy.
    pointers: Option<AnswerPointers>,
    state: State,
    /// The open objects and arrays that matter.
    open: SmallVec<[Level; 12]>,
    /// The place of the next value in the innermost object.
    next: Place,
    /// The next string of the innermost object is the name of a member.
    name_due: bool,
    /// The last byte was a backslash in a string.
    is_escaped: bool,
    word: Word,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    place: Place,
    is_array: bool,
    /// The number of elements that have ended.
    index: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Between,
    /// In the name of a member.
    Name,
    /// In the name of a member that counts as text.
    MadeName,
    /// In a string that is kept as a word.
    WordString,
    /// In a string whose text counts.
    Text,
    /// In a number or a literal that is kept.
    Word,
    /// In a number or a literal of no interest.
    IdleWord,
    /// In a string of no interest.
    IdleString,
    /// In so many open objects and arrays of no interest.
    Idle(u64),
    /// In a string within them.
    IdleInner(u64),
}

impl Scanner {
    pub(super) fn new(root: Place) -> Self {
        Self {
            root,
            pointers: None,
            state: State::Between,
            open: SmallVec::new(),
            next: Place::Idle,
            name_due: false,
            is_escaped: false,
            word: Word::default(),
        }
    }

    /// A scanner for what these pointers lead to.
    pub(super) fn pointed(pointers: &AnswerPointers) -> Self {
        Self { pointers: Some(pointers.clone()), ..Self::new(Place::Node(NodeId::ROOT)) }
    }

    /// Returns `true` if no value is open.
    pub(super) fn is_between(&self) -> bool {
        self.open.is_empty() && self.state == State::Between
    }

    /// Returns `true` if no document is open, although an array of documents may be.
    pub(super) fn is_between_documents(&self) -> bool {
        let is_of_documents = |level: &Level| level.is_array && level.place == self.root;
        self.state == State::Between && self.open.iter().all(is_of_documents)
    }

    /// Ends all that is open, as if the text ended here, and begins anew.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        match self.state {
            State::Text => sink.text(self.place(), b"", true),
            State::MadeName => sink.text(self.object(), b"", true),
            // A number that the text breaks off in the middle of is another number.
            _ => self.word.clear(),
        }
        while let Some(level) = self.open.pop() {
            sink.end(level.place, level.is_array);
        }
        self.state = State::Between;
        self.is_escaped = false;
    }

    /// Takes the next piece of the text.
    pub(super) fn scan(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match self.state {
                State::Between => self.between(rest, sink),
                State::Name => self.name(rest),
                State::MadeName => self.made_name(rest, sink),
                State::WordString => self.word_string(rest, sink),
                State::Text => self.text(rest, sink),
                State::Word => self.word(rest, sink),
                State::IdleWord => self.idle_word(rest),
                State::IdleString => self.idle_string(rest),
                State::Idle(depth) => self.idle(rest, depth),
                State::IdleInner(depth) => self.idle_inner(rest, depth),
            };
        }
    }

    /// The place of the value that is next or open.
    fn place(&self) -> Place {
        match self.open.last() {
            None => self.root,
            Some(&Level { place: Place::Node(node), is_array: true, index }) => {
                self.pointers.as_ref().map_or(Place::Idle, |pointers| pointers.element(node, index))
            }
            Some(level) if level.is_array => level.place,
            Some(_) => self.next,
        }
    }

    fn is_name_due(&self) -> bool {
        self.name_due && self.open.last().is_some_and(|level| !level.is_array)
    }

    fn value_ended(&mut self) {
        self.state = State::Between;
        self.name_due = true;
        if let Some(level) = self.open.last_mut().filter(|level| level.is_array) {
            level.index = level.index.saturating_add(1);
        }
    }

    /// Each of these takes some bytes and returns their number. It takes at least one, or ends a word.
    fn between(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        match bytes[0] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => {}
            b'"' if self.is_name_due() && self.object().takes() == Takes::All => self.state = State::MadeName,
            b'"' if self.is_name_due() => {
                // Nearly all names are whole in the piece and have no escapes.
                if let Some(end) = memchr2(b'"', b'\\', &bytes[1..])
                    && bytes[1 + end] == b'"'
                {
                    self.named(&bytes[1..=end]);
                    return end + 2;
                }
                self.word.clear();
                self.state = State::Name;
            }
            b'"' => {
                self.state = match self.place().takes() {
                    Takes::Nothing | Takes::Members => State::IdleString,
                    Takes::Word => {
                        self.word.clear();
                        State::WordString
                    }
                    Takes::Text | Takes::Tokens | Takes::Parts | Takes::All => State::Text,
                }
            }
            byte @ (b'{' | b'[') => self.begin(byte == b'[', sink),
            b'}' | b']' => {
                if let Some(level) = self.open.pop() {
                    sink.end(level.place, level.is_array);
                }
                self.value_ended();
            }
            _ if matches!(self.place().takes(), Takes::Word | Takes::Tokens) && !self.is_name_due() => {
                self.word.clear();
                self.state = State::Word;
                return self.word(bytes, sink);
            }
            _ => self.state = State::IdleWord,
        }
        1
    }

    fn begin(&mut self, is_array: bool, sink: &mut impl Sink) {
        let place = self.place();
        let counts = match place.takes() {
            Takes::Nothing | Takes::Word => false,
            Takes::Text | Takes::Tokens => is_array,
            Takes::Members | Takes::Parts | Takes::All => true,
        };
        if !counts || self.open.len() >= MAX_DEPTH {
            self.state = State::Idle(1);
            return;
        }
        sink.begin(place, is_array);
        self.open.push(Level { place, is_array, index: 0 });
        self.name_due = !is_array;
    }

    /// The place of the innermost object.
    fn object(&self) -> Place {
        self.open.last().map_or(Place::Idle, |level| level.place)
    }

    fn named(&mut self, name: &[u8]) {
        self.next = match (self.object(), &self.pointers) {
            (Place::Node(node), Some(pointers)) => pointers.member(node, name),
            (object, _) => object.member(name),
        };
        self.name_due = false;
        self.state = State::Between;
    }

    fn name(&mut self, bytes: &[u8]) -> usize {
        let end = self.string_end(bytes);
        self.word.push(&bytes[..end.unwrap_or(bytes.len())]);
        let Some(end) = end else { return bytes.len() };
        let word = self.word.clone();
        // A name that is too long or no text is none of ours.
        self.named(word.unescaped().unwrap_or_default().as_bytes());
        end + 1
    }

    fn made_name(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        let end = self.string_end(bytes);
        sink.text(self.object(), &bytes[..end.unwrap_or(bytes.len())], end.is_some());
        let Some(end) = end else { return bytes.len() };
        self.named(b"");
        end + 1
    }

    fn word_string(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        let end = self.string_end(bytes);
        self.word.push(&bytes[..end.unwrap_or(bytes.len())]);
        let Some(end) = end else { return bytes.len() };
        if let Some(word) = self.word.as_slice() {
            sink.word(self.place(), word);
        }
        self.value_ended();
        end + 1
    }

    fn text(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        let end = self.string_end(bytes);
        sink.text(self.place(), &bytes[..end.unwrap_or(bytes.len())], end.is_some());
        let Some(end) = end else { return bytes.len() };
        self.value_ended();
        end + 1
    }

    fn word(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        let end = bytes.iter().position(|byte| ends_word(*byte));
        self.word.push(&bytes[..end.unwrap_or(bytes.len())]);
        let Some(end) = end else { return bytes.len() };
        if let Some(word) = self.word.as_slice() {
            sink.word(self.place(), word);
        }
        self.value_ended();
        end
    }

    fn idle_word(&mut self, bytes: &[u8]) -> usize {
        match bytes.iter().position(|byte| ends_word(*byte)) {
            None => bytes.len(),
            Some(end) => {
                self.value_ended();
                end
            }
        }
    }

    fn idle_string(&mut self, bytes: &[u8]) -> usize {
        let Some(end) = self.string_end(bytes) else { return bytes.len() };
        self.value_ended();
        end + 1
    }

    fn idle(&mut self, bytes: &[u8], mut depth: u64) -> usize {
        let mut at = 0;
        while let Some(found) = structure(&bytes[at..]) {
            at += found + 1;
            match bytes[at - 1] {
                b'"' => {
                    self.state = State::IdleInner(depth);
                    return at;
                }
                b'{' | b'[' => depth = depth.saturating_add(1),
                _ => depth -= 1,
            }
            if depth == 0 {
                self.value_ended();
                return at;
            }
        }
        self.state = State::Idle(depth);
        bytes.len()
    }

    fn idle_inner(&mut self, bytes: &[u8], depth: u64) -> usize {
        let Some(end) = self.string_end(bytes) else { return bytes.len() };
        self.state = State::Idle(depth);
        end + 1
    }

    /// The index of the quote that ends the open string.
    fn string_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = usize::from(std::mem::take(&mut self.is_escaped));
        while let Some(found) = memchr2(b'"', b'\\', bytes.get(at..)?) {
            at += found;
            if bytes[at] == b'"' {
                return Some(at);
            }
            at += 2;
            if at > bytes.len() {
                self.is_escaped = true;
            }
        }
        None
    }
}

const fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'"' | b'{' | b'}' | b'[' | b']')
}

/// The index of the next quote, brace or bracket.
fn structure(bytes: &[u8]) -> Option<usize> {
    // Braces and brackets differ in one bit. Whole blocks without any of them, as in a long array of numbers, pass at once.
    let is_structure = |byte: u8| byte == b'"' || byte | 0x20 == b'{' || byte | 0x20 == b'}';
    let mut at = 0;
    for block in bytes.chunks_exact(32) {
        if block.iter().fold(false, |any, byte| any | is_structure(*byte)) {
            break;
        }
        at += 32;
    }
    bytes[at..].iter().position(|byte| is_structure(*byte)).map(|found| at + found)
}

/// The most open objects and arrays that matter. The deepest usage is seven deep, and a pointer at most 16.
const MAX_DEPTH: usize = 48;
