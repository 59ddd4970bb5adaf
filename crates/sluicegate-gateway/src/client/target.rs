//! The target of a request of HTTP/1.1, in the bytes of its head.
//!
//! Clients send, and servers accept, bytes in a target that the `http` crate refuses: `"`, `<`, `>`, a backtick, and what is no
//! UTF-8. They are set aside as the head arrives, with a byte in place of each that the crate accepts, and the request gets them
//! back percent-encoded. The head stays as long as it was, so where it ends, and where a body does, cannot be changed by it.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use memchr::memchr;

/// The bytes of a target that were set aside, until its request takes them. Clones share them.
#[derive(Clone, Default)]
pub(super) struct SetAside(Rc<RefCell<Vec<(usize, u8)>>>);

/// A request line as it arrives, in any pieces.
pub(super) struct RequestLine {
    state: ParserState,
    /// Bytes of path and query so far.
    length: usize,
    set_aside: SetAside,
}

/// The state of parsing a request line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ParserState {
    /// Before it. Empty lines may come first.
    Before,
    Method,
    /// The first byte of the target.
    Target,
    Scheme,
    /// The two slashes behind a scheme: so many have come.
    Slashes(u8),
    Authority,
    Path,
    Query,
    /// Behind the target, or where nothing is understood.
    Behind,
}

impl SetAside {
    /// Puts the bytes that were set aside back into the target of the request that they belong to, percent-encoded.
    ///
    /// Returns `false` if they cannot be put back: the target would be too long.
    pub(super) fn restore(&self, uri: &mut Uri) -> bool {
        let set_aside = self.0.take();
        set_aside.is_empty() || restored(uri, &set_aside).map(|whole| *uri = whole).is_some()
    }
}

fn restored(uri: &Uri, set_aside: &[(usize, u8)]) -> Option<Uri> {
    let mut target = uri.path_and_query()?.as_str().as_bytes().to_vec();
    for (at, byte) in set_aside {
        let placeholder = target.get_mut(*at).filter(|byte| **byte == PLACEHOLDER)?;
        *placeholder = *byte;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(encoded(&target))).ok()?);
    Uri::from_parts(parts).ok()
}

/// Encodes those bytes that the `http` crate refuses, and no others: text in UTF-8 passes as it is.
fn encoded(target: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(target.len() + 64);
    let mut encode = |byte: u8, is_refused: bool| {
        if is_refused {
            encoded.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xF)]]);
        } else {
            encoded.push(byte);
        }
    };
    let mut state = ParserState::Path;
    for chunk in target.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            encode(byte, byte.is_ascii() && is_refused(byte, state));
            if byte == b'?' {
                state = ParserState::Query;
            }
        }
        chunk.invalid().iter().for_each(|byte| encode(*byte, true));
    }
    encoded
}

impl RequestLine {
    /// A line that is yet to come.
    pub(super) fn new(set_aside: SetAside) -> Self {
        Self { state: ParserState::Before, length: 0, set_aside }
    }

    /// Returns `true` if the next bytes of the stream belong to the line.
    pub(super) fn is_open(&self) -> bool {
        self.state != ParserState::Behind
    }

    /// The next byte of the stream begins another line.
    pub(super) fn begin(&mut self) {
        (self.state, self.length) = (ParserState::Before, 0);
    }

    /// Takes the next bytes of the stream, and replaces those that have to be set aside.
    pub(super) fn read(&mut self, bytes: &mut [u8]) {
        // Most lines come whole, and have nothing of the kind. All bytes are looked at, because many can be at once.
        if self.state == ParserState::Before
            && !matches!(bytes, [b'\r' | b'\n', ..])
            && let Some(end) = memchr(b'\n', bytes)
            && !bytes[..end].iter().fold(false, |any, byte| any | may_be_refused(*byte))
        {
            self.state = ParserState::Behind;
            return;
        }
        for byte in bytes {
            self.state = self.after(*byte);
            if !self.is_open() {
                return;
            }
            if matches!(self.state, ParserState::Path | ParserState::Query) {
                if is_refused(*byte, self.state) {
                    self.set_aside.0.borrow_mut().push((self.length, *byte));
                    *byte = PLACEHOLDER;
                }
                self.length += 1;
            }
        }
    }

    /// The state after `byte`.
    fn after(&self, byte: u8) -> ParserState {
        match (self.state, byte) {
            (ParserState::Before, b'\r' | b'\n') => ParserState::Before,
            (ParserState::Before | ParserState::Method, byte)
                if byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte) =>
            {
                ParserState::Method
            }
            (ParserState::Method, b' ') => ParserState::Target,
            (ParserState::Target, b'/') => ParserState::Path,
            (ParserState::Target, byte) if byte.is_ascii_alphabetic() => ParserState::Scheme,
            (ParserState::Scheme, b':') => ParserState::Slashes(0),
            (ParserState::Scheme, byte) if byte.is_ascii_alphanumeric() || b"+-.".contains(&byte) => {
                ParserState::Scheme
            }
            (ParserState::Slashes(0), b'/') => ParserState::Slashes(1),
            (ParserState::Slashes(1), b'/') => ParserState::Authority,
            (ParserState::Authority | ParserState::Path, b'/') => ParserState::Path,
            (ParserState::Authority | ParserState::Path, b'?') => ParserState::Query,
            // Spaces and control characters end the target or are ambiguous, and behind a `#` nothing is sent on.
            (ParserState::Authority | ParserState::Path | ParserState::Query, ..=b' ' | b'#' | 0x7F) => {
                ParserState::Behind
            }
            (state @ (ParserState::Authority | ParserState::Path | ParserState::Query), _) => state,
            _ => ParserState::Behind,
        }
    }
}

/// Returns `true` if the `http` crate refuses `byte` there, or may do so: whether a text is UTF-8 shows at its end.
const fn is_refused(byte: u8, state: ParserState) -> bool {
    match byte {
        b'<' | b'>' | 0x80.. => true,
        b'"' => matches!(state, ParserState::Query),
        b'`' => matches!(state, ParserState::Path),
        _ => false,
    }
}

const fn may_be_refused(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'"' | b'`' | 0x80..)
}

/// Stands for a byte that is set aside: the crate accepts it everywhere.
const PLACEHOLDER: u8 = b'_';

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads the first line of a head that arrives in two pieces. Returns its bytes and the restored target.
    fn read(head: &[u8], cut: usize) -> (Vec<u8>, Option<String>) {
        let set_aside = SetAside::default();
        let mut line = RequestLine::new(set_aside.clone());
        let mut bytes = head.to_vec();
        let (first, second) = bytes.split_at_mut(cut);
        line.read(first);
        if line.is_open() {
            line.read(second);
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut uri =
            text.trim_start().split([' ', '\r']).nth(1).and_then(|target| target.parse::<Uri>().ok());
        let is_restored = uri.as_mut().is_some_and(|uri| set_aside.restore(uri));
        (bytes, uri.filter(|_| is_restored).map(|uri| uri.to_string()))
    }

    #[test]
    fn exactly_the_bytes_that_are_refused_are_encoded_however_the_line_is_cut() {
        for (target, spelled) in [
            (&b"/a?f={\"a\":1}"[..], "/a?f={%22a%22:1}"),
            (b"/a?<x>=`", "/a?%3Cx%3E=`"),
            (b"/`a`/\"b\"/<c>", "/%60a%60/\"b\"/%3Cc%3E"),
            (b"/a?q=\xff\xfe", "/a?q=%FF%FE"),
            (b"/\xe9?\xc3\xa9=\xe9", "/%E9?\u{e9}=%E9"),
            ("/\u{e9}?q=\u{1F600}".as_bytes(), "/\u{e9}?q=\u{1F600}"),
            (b"/a?q=%22_\"_", "/a?q=%22_%22_"),
            (b"/a?b?\"", "/a?b?%22"),
            (b"http://a.example:80/b?\"", "http://a.example:80/b?%22"),
            (b"http://a?\"", "http://a/?%22"),
            (b"/plain_?a=b", "/plain_?a=b"),
        ] {
            let head = [b"GET ", target, b" HTTP/1.1\r\nhost: \"a\xff<>`\"\r\n\r\n"].concat();
            for cut in 0..=head.len() {
                let (bytes, restored) = read(&head, cut);
                assert_eq!(restored.as_deref(), Some(spelled), "{} cut at {cut}", target.escape_ascii());
                assert_eq!(bytes.len(), head.len());
                let line = bytes.iter().position(|byte| *byte == b'\r').expect("a line");
                assert_eq!(bytes[line..], head[4 + target.len() + 9..], "nothing but the line is touched");
            }
        }
    }

    #[test]
    fn what_is_ambiguous_or_no_request_line_is_left_alone() {
        for head in [
            &b"GET /a b\"c HTTP/1.1\r\n"[..],
            b"GET /a\tb?\" HTTP/1.1\r\n",
            b"GET /a#\"<> HTTP/1.1\r\n",
            b"GET /a\0\"< HTTP/1.1\r\n",
            b"GET  /\"< HTTP/1.1\r\n",
            b"GET \"< HTTP/1.1\r\n",
            b"CONNECT a<b>:443 HTTP/1.1\r\n",
            b"GET http://a<b>/ HTTP/1.1\r\n",
            b"GET http:/<> HTTP/1.1\r\n",
            b"\x16\x03\x01 /<> HTTP/1.1\r\n",
            b"{\"a\": \"/<>\"}\r\n",
        ] {
            for cut in 0..=head.len() {
                let (bytes, _) = read(head, cut);
                assert_eq!(bytes, head, "{}", head.escape_ascii());
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_keeps_its_length_and_the_bytes_that_frame_it(
            head in prop::collection::vec(prop_oneof![Just(b' '), Just(b'\r'), Just(b'\n'), Just(b'/'), Just(b'?'), any::<u8>()], 0..200),
            cut in 0_usize..200,
        ) {
            let (bytes, _) = read(&head, cut.min(head.len()));
            prop_assert_eq!(bytes.len(), head.len());
            for (now, was) in bytes.iter().zip(&head) {
                prop_assert!(now == was || (*now == PLACEHOLDER && may_be_refused(*was)));
            }
        }
    }
}
