//! Commands as clients of Redis send them: arrays of bulk strings, or a line that a person has typed.

use memchr::memchr;
use smallvec::SmallVec;

/// The words of a command, its name first, where they were read.
pub(super) type Words<'b> = SmallVec<[&'b [u8]; 8]>;

/// Nothing that follows can be read, so the connection ends. Says what was wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed(pub(super) &'static str);

/// Reads the first command of `bytes`. Returns its words and the number of bytes that it takes, or `None` until all of it is
/// there. An empty command has no words, and gets no reply.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Words<'_>, usize)>, Malformed> {
    let command = match bytes.first() {
        None => return Ok(None),
        Some(b'*') => array(bytes)?,
        Some(_) => line(bytes)?,
    };
    // One that is not whole may be longer than the bytes that are there, and never shorter.
    let len = command.as_ref().map_or(bytes.len(), |(_, len)| *len);
    if len > MOST_BYTES { Err(TOO_LONG) } else { Ok(command) }
}

fn array(bytes: &[u8]) -> Result<Option<(Words<'_>, usize)>, Malformed> {
    let Some((count, mut at)) = number(bytes, 1, WRONG_COUNT)? else { return Ok(None) };
    if count > MOST_WORDS {
        return Err(WRONG_COUNT);
    }
    let mut words = Words::new();
    for _ in 0..count {
        match bytes.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(_) => return Err(NO_BULK),
        }
        let Some((len, begin)) = number(bytes, at + 1, WRONG_LENGTH)? else { return Ok(None) };
        let len = usize::try_from(len).map_err(|_| WRONG_LENGTH)?;
        // Not more than ten digits, so the sum is far from overflowing.
        let end = begin + len;
        if end > MOST_BYTES {
            return Err(TOO_LONG);
        }
        let Some(word) = bytes.get(begin..end) else { return Ok(None) };
        match bytes.get(end..) {
            Some([b'\r', b'\n', ..]) => {}
            Some([] | [b'\r']) | None => return Ok(None),
            Some(_) => return Err(WRONG_END),
        }
        words.push(word);
        at = end + 2;
    }
    Ok(Some((words, at)))
}

/// Reads the number that begins here and ends with its line. Returns it with the place behind, or `None` until the line has
/// ended.
fn number(bytes: &[u8], begin: usize, wrong: Malformed) -> Result<Option<(i64, usize)>, Malformed> {
    let (mut value, mut digits) = (0_i64, 0);
    let is_negative = bytes.get(begin) == Some(&b'-');
    let mut at = begin + usize::from(is_negative);
    loop {
        match bytes.get(at) {
            None => return Ok(None),
            Some(digit @ b'0'..=b'9') if digits < MOST_DIGITS => {
                value = 10 * value + i64::from(digit - b'0');
                digits += 1;
            }
            Some(b'\r') if digits > 0 => break,
            Some(_) => return Err(wrong),
        }
        at += 1;
    }
    match bytes.get(at + 1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some((if is_negative { -value } else { value }, at + 2))),
        Some(_) => Err(wrong),
    }
}

/// Reads words between spaces. A word in quotes may have spaces.
fn line(bytes: &[u8]) -> Result<Option<(Words<'_>, usize)>, Malformed> {
    let Some(end) = memchr(b'\n', bytes) else { return Ok(None) };
    let mut rest = bytes[..end].trim_ascii();
    let mut words = Words::new();
    while let Some((first, inner)) = rest.split_first() {
        let (word, behind) = if matches!(first, b'"' | b'\'') {
            let close = memchr(*first, inner).ok_or(UNBALANCED)?;
            (&inner[..close], &inner[close + 1..])
        } else {
            rest.split_at(rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len()))
        };
        if behind.first().is_some_and(|next| !next.is_ascii_whitespace()) {
            return Err(UNBALANCED);
        }
        words.push(word);
        rest = behind.trim_ascii_start();
    }
    // A browser that a page has sent here. What follows may be commands that the page has written into a body.
    let is_http = |word: &[u8]| word.eq_ignore_ascii_case(b"POST") || word.eq_ignore_ascii_case(b"Host:");
    if words.first().is_some_and(|word| is_http(word)) {
        return Err(HTTP);
    }
    Ok(Some((words, end + 1)))
}

/// The longest command, with all of its words.
pub(super) const MOST_BYTES: usize = 16 * 1024;
/// The most words of a command that is an array.
const MOST_WORDS: i64 = 64;
/// The most digits of a length.
const MOST_DIGITS: u32 = 10;

const TOO_LONG: Malformed = Malformed("Protocol error: a command has at most 16384 bytes");
const WRONG_COUNT: Malformed =
    Malformed("Protocol error: invalid multibulk length: a command has 1 to 64 words");
const WRONG_LENGTH: Malformed = Malformed("Protocol error: invalid bulk length");
const NO_BULK: Malformed = Malformed("Protocol error: expected '$': a command is an array of bulk strings");
const WRONG_END: Malformed = Malformed("Protocol error: a bulk string is longer than its length says");
const UNBALANCED: Malformed = Malformed("Protocol error: unbalanced quotes in request");
const HTTP: Malformed = Malformed("Protocol error: this port speaks the protocol of Redis, not HTTP");

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn words_come_back_once_the_last_byte_is_there(
            words in vec(vec(any::<u8>(), 0..40), 1..12),
            more in vec(any::<u8>(), 0..20),
        ) {
            let whole = written(&words);
            for end in 0..whole.len() {
                prop_assert_eq!(parse(&whole[..end]), Ok(None));
            }
            let all = [whole.as_slice(), &more].concat();
            let (read, len) = parse(&all).unwrap().unwrap();
            prop_assert_eq!(read.as_slice(), words.as_slice());
            prop_assert_eq!(len, whole.len());
        }

        #[test]
        fn typed_words_are_told_apart_by_spaces(words in vec("[a-zA-Z0-9.:|-]{1,20}", 1..12), end in "\r?\n") {
            let typed = [" ", &words.join("  "), " ", &end].concat();
            let (read, len) = parse(typed.as_bytes()).unwrap().unwrap();
            let expected: Vec<_> = words.iter().map(String::as_bytes).collect();
            prop_assert_eq!(read.as_slice(), expected);
            prop_assert_eq!(len, typed.len());
        }

        #[test]
        fn any_bytes_are_read_as_far_as_they_go(
            bytes in prop_oneof![vec(any::<u8>(), 0..300), vec(prop::sample::select(b"*$-019\r\n ab\"'".as_slice()), 0..300)],
        ) {
            let mut rest = bytes.as_slice();
            while let Ok(Some((_, len))) = parse(rest) {
                prop_assert!(0 < len && len <= rest.len());
                rest = &rest[len..];
            }
        }
    }

    #[test]
    fn a_quoted_word_may_have_spaces() {
        let (words, _) = parse(b"ECHO \"a b\" 'c d' e\n").unwrap().unwrap();
        assert_eq!(words.as_slice(), [b"ECHO".as_slice(), b"a b", b"c d", b"e"]);
    }

    #[test]
    fn commands_without_words_are_passed_over() {
        for empty in ["*0\r\n", "*-1\r\n", "\r\n", "\n", "  \r\n"] {
            let (words, len) = parse(empty.as_bytes()).unwrap().unwrap();
            assert_eq!((words.len(), len), (0, empty.len()), "{empty:?}");
        }
    }

    #[test]
    fn what_no_client_sends_ends_the_connection_before_it_is_all_there() {
        for (sent, wrong) in [
            ("*65\r\n", WRONG_COUNT),
            ("*99999999999\r\n", WRONG_COUNT),
            ("*a\r\n", WRONG_COUNT),
            ("*\r\n", WRONG_COUNT),
            ("*1\rx", WRONG_COUNT),
            ("*1\r\n+PING\r\n", NO_BULK),
            ("*1\r\n$-1\r\n", WRONG_LENGTH),
            ("*1\r\n$x", WRONG_LENGTH),
            ("*1\r\n$16385\r\n", TOO_LONG),
            ("*2\r\n$4\r\nECHO\r\n$16384\r\n", TOO_LONG),
            ("*1\r\n$4\r\nPINGS", WRONG_END),
            ("ECHO \"a\n", UNBALANCED),
            ("ECHO 'a'b\n", UNBALANCED),
            ("POST / HTTP/1.1\r\n", HTTP),
            ("host: localhost\r\n", HTTP),
        ] {
            assert_eq!(parse(sent.as_bytes()), Err(wrong), "{sent:?}");
        }
        assert_eq!(parse(&[b'a'; MOST_BYTES]), Ok(None));
        assert_eq!(parse(&[b'a'; MOST_BYTES + 1]), Err(TOO_LONG));
    }

    fn written(words: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend(format!("${}\r\n", word.len()).bytes().chain(word.iter().copied()).chain(*b"\r\n"));
        }
        bytes
    }
}
