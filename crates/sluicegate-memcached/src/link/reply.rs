//! Replies of Memcached.

use bytes::{Buf, Bytes, BytesMut};

/// The answer to one command of the meta protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    /// `HD`: it is done.
    Done,
    /// `EN`, `NS`, `EX` or `NF`: it is not done, because there is no such item, there is one already, or somebody has
    /// changed it meanwhile.
    Not,
    /// `VA`: an item, the number of its last change, and the number that its writer has put beside it.
    Value { data: Bytes, cas: u64, flags: u32 },
    /// `MN`: all that was asked before is answered.
    NoOp,
    /// `VERSION`.
    Version(String),
    /// `SERVER_ERROR`: it could not, and says why.
    Refused(String),
}

/// An answer that no Memcached gives to what is asked here: what follows it cannot be understood either.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Nonsense(pub(crate) String);

impl Reply {
    /// Takes the first reply off the bytes that have arrived; `None` until it is complete.
    pub(crate) fn parse(input: &mut BytesMut) -> Result<Option<Self>, Nonsense> {
        let Some(end) = input.windows(2).position(|bytes| bytes == b"\r\n") else {
            return if input.len() > LONGEST_LINE { Err(nonsense(input)) } else { Ok(None) };
        };
        let line = &input[..end];
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let reply = match words.next() {
            Some(b"HD") => Self::Done,
            Some(b"EN" | b"NS" | b"EX" | b"NF") => Self::Not,
            Some(b"MN") => Self::NoOp,
            Some(b"VERSION") => Self::Version(printable(line.get(8..).unwrap_or_default())),
            Some(b"SERVER_ERROR") => Self::Refused(printable(line.get(13..).unwrap_or_default())),
            Some(b"VA") => {
                let size = words.next().and_then(number).filter(|size| *size <= LARGEST_VALUE);
                let cas = words.find_map(|word| number(word.strip_prefix(b"c")?));
                // None where none was asked for.
                let flags = words.find_map(|word| number(word.strip_prefix(b"f")?));
                let flags = flags.and_then(|flags| u32::try_from(flags).ok()).unwrap_or(0);
                let (Some(size), Some(cas)) = (size.and_then(|size| usize::try_from(size).ok()), cas) else {
                    return Err(nonsense(line));
                };
                let begin = end + 2;
                if input.len() < begin + size + 2 {
                    return Ok(None);
                }
                if &input[begin + size..begin + size + 2] != b"\r\n" {
                    return Err(nonsense(line));
                }
                input.advance(begin);
                let data = input.split_to(size).freeze();
                input.advance(2);
                return Ok(Some(Self::Value { data, cas, flags }));
            }
            _ => return Err(nonsense(line)),
        };
        input.advance(end + 2);
        Ok(Some(reply))
    }
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn nonsense(line: &[u8]) -> Nonsense {
    Nonsense(printable(line))
}

/// The beginning of what came, fit for a log.
fn printable(line: &[u8]) -> String {
    line.iter().take(60).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' }).collect()
}

/// No line that Memcached sends is as long.
const LONGEST_LINE: usize = 2_048;
/// No account is as large.
const LARGEST_VALUE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &str) -> Result<Option<Reply>, Nonsense> {
        Reply::parse(&mut BytesMut::from(input))
    }

    #[test]
    fn answers_are_taken_one_by_one_however_they_arrive() {
        let all = "HD\r\nEN\r\nVA 5 c17 \r\na\r\nb \r\nNS\r\nVA 0 t1 c3 f60000\r\n\r\nMN\r\nSERVER_ERROR out of memory\r\nVERSION 1.6\r\n";
        let value = |data: &'static str, cas, flags| Reply::Value { data: data.into(), cas, flags };
        let expected = [
            Reply::Done,
            Reply::Not,
            value("a\r\nb ", 17, 0),
            Reply::Not,
            value("", 3, 60_000),
            Reply::NoOp,
            Reply::Refused("out of memory".into()),
            Reply::Version("1.6".into()),
        ];
        let (mut input, mut replies) = (BytesMut::new(), Vec::new());
        for byte in all.bytes() {
            input.extend_from_slice(&[byte]);
            replies.extend(Reply::parse(&mut input).expect("no nonsense"));
        }
        assert_eq!(replies, expected);
        assert!(input.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for input in [
            "ERROR\r\n",
            "CLIENT_ERROR bad data chunk\r\n",
            "-ERR unknown command\r\n",
            "\r\n",
            "VA x c1\r\n",
        ] {
            assert!(parse(input).is_err(), "{input:?}");
        }
        assert!(parse("VA 1 t1\r\na\r\n").is_err(), "no number of the last change");
        assert!(parse("VA 1 c1\r\nab\r\n").is_err(), "longer than told");
        assert!(parse("VA 9999999999 c1\r\n").is_err());
        assert!(parse(&"x".repeat(5_000)).is_err());
        assert_eq!(
            parse("HTTP/1.1 400 Bad\x07Request\r\n"),
            Err(Nonsense("HTTP/1.1 400 Bad Request".into()))
        );
    }
}
