//! Replies on their way to a client.

use itoa::Buffer;

/// The version of the protocol in which a client reads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Protocol {
    #[default]
    Resp2,
    /// Has maps and a null of its own.
    Resp3,
}

impl Protocol {
    /// The number that `HELLO` has for it.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// The replies that a client has not got yet, in the order of its commands.
#[derive(Debug, Default)]
pub(super) struct Replies {
    pub(super) protocol: Protocol,
    bytes: Vec<u8>,
    /// The number of bytes that are sent already.
    sent: usize,
}

impl Replies {
    /// Adds a word such as `OK`.
    pub(super) fn simple(&mut self, word: &str) {
        self.line(b'+', word.as_bytes());
    }

    /// Adds an error. Its first word is its kind.
    pub(super) fn error(&mut self, message: &str) {
        self.bytes.push(b'-');
        // A client's own words may be in it, and must not end the line.
        let shown = |byte: u8| if (b' '..=b'~').contains(&byte) { byte } else { b'?' };
        self.bytes.extend(message.bytes().map(shown));
        self.bytes.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub(super) fn number(&mut self, number: i64) {
        self.count(b':', number);
    }

    /// Adds a text of any bytes.
    pub(super) fn text(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.len(b'$', text.len());
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub(super) fn null(&mut self) {
        self.bytes.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// Begins an array, whose elements follow.
    pub(super) fn array(&mut self, len: usize) {
        self.len(b'*', len);
    }

    /// Begins a map, whose keys and values follow in turn.
    pub(super) fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(2 * len),
            Protocol::Resp3 => self.len(b'%', len),
        }
    }

    /// The bytes that are to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Notes that so many of them are sent.
    pub(super) fn note_sent(&mut self, sent: usize) {
        self.sent += sent;
        if self.sent >= self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        }
    }

    fn len(&mut self, kind: u8, len: usize) {
        // No reply is that long.
        self.count(kind, i64::try_from(len).unwrap_or(i64::MAX));
    }

    #[inline]
    fn count(&mut self, kind: u8, number: i64) {
        self.line(kind, Buffer::new().format(number).as_bytes());
    }

    #[inline]
    fn line(&mut self, kind: u8, line: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(line);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// The most bytes that an idle connection keeps for its next commands, and as many for their replies.
pub(super) const KEPT: usize = 1024;
