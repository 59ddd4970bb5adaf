//! The PROXY protocol, versions 1 and 2: the header in which a proxy that forwards bytes names the client.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::io::AsyncRead;

use super::lookahead::Lookahead;

/// Reads the header with which a connection begins, and gives the client's address; `None` where the proxy speaks for
/// itself, or does not say for whom.
///
/// # Errors
///
/// [`Malformed`], or those of the stream.
pub(super) async fn announced(
    stream: &mut Lookahead<impl AsyncRead + Unpin>,
) -> Result<Option<IpAddr>, AnnouncedError> {
    loop {
        if let Some(Header { length, client }) = parse(stream.seen())? {
            stream.skip(length);
            return Ok(client);
        }
        if !stream.look().await? {
            return Err(AnnouncedError::Ended);
        }
    }
}

/// The reason that a connection's client is unknown.
#[derive(Debug)]
pub(super) enum AnnouncedError {
    /// The connection does not begin with a header.
    Malformed(Malformed),
    /// It ended before that could be told.
    Ended,
    Io(io::Error),
}

/// The connection does not begin with a PROXY protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A header: how many bytes it takes, and the client if it names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    length: usize,
    client: Option<IpAddr>,
}

/// The header at the beginning of these bytes; `None` while they may still become one.
fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if begins(bytes, SIGNATURE) {
        return binary(bytes);
    }
    if begins(bytes, TEXT) {
        return text(bytes);
    }
    Err(Malformed)
}

/// Returns `true` if `bytes` begin with `mark`, as far as they go.
fn begins(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.iter().zip(mark).all(|(byte, expected)| byte == expected)
}

/// Version 1: a line.
fn text(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let line = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = line.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if line.len() < MAX_LINE { Ok(None) } else { Err(Malformed) };
    };
    match &line[end..] {
        [b'\r'] if line.len() < MAX_LINE => return Ok(None),
        [b'\r', b'\n', ..] => {}
        _ => return Err(Malformed),
    }
    let line = std::str::from_utf8(&line[TEXT.len()..end]).map_err(|_| Malformed)?;
    let client = match line.split_once(' ').unwrap_or((line, "")) {
        ("UNKNOWN", _) => None,
        ("TCP4", rest) => Some(IpAddr::V4(source(rest)?)),
        ("TCP6", rest) => Some(IpAddr::V6(source(rest)?)),
        _ => return Err(Malformed),
    };
    Ok(Some(Header { length: TEXT.len() + line.len() + 2, client }))
}

/// The first of two addresses, which two ports follow.
fn source<A: std::str::FromStr>(fields: &str) -> Result<A, Malformed> {
    let mut fields = fields.split(' ');
    let mut address = || fields.next().and_then(|field| field.parse::<A>().ok()).ok_or(Malformed);
    let (source, _) = (address()?, address()?);
    let is_port = |field: &str| {
        let is_decimal = field.bytes().all(|byte| byte.is_ascii_digit());
        is_decimal && (field == "0" || !field.starts_with('0')) && field.parse::<u16>().is_ok()
    };
    match [fields.next(), fields.next(), fields.next()] {
        [Some(from), Some(to), None] if is_port(from) && is_port(to) => Ok(source),
        _ => Err(Malformed),
    }
}

/// Version 2: 16 bytes, then as many as they say. What follows the addresses is of no interest.
fn binary(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<16>() else { return Ok(None) };
    let announced = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let length = fixed.len() + announced;
    if length > MAX_HEADER {
        return Err(Malformed);
    }
    let Some(rest) = rest.get(..announced) else { return Ok(None) };
    let client = match (fixed[12], fixed[13]) {
        // The proxy itself, which looks whether we are well.
        (LOCAL, _) => None,
        (PROXY, UNSPECIFIED) => None,
        (PROXY, UNIX) if announced >= 216 => None,
        (PROXY, TCP4) if announced >= 12 => {
            rest.first_chunk::<4>().map(|source| Ipv4Addr::from(*source).into())
        }
        (PROXY, TCP6) if announced >= 36 => {
            rest.first_chunk::<16>().map(|source| Ipv6Addr::from(*source).into())
        }
        _ => return Err(Malformed),
    };
    Ok(Some(Header { length, client }))
}

impl From<Malformed> for AnnouncedError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<io::Error> for AnnouncedError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for AnnouncedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(Malformed) => {
                f.write_str("the connection does not begin with a header of the PROXY protocol")
            }
            Self::Ended => f.write_str("the connection ended before its PROXY protocol header did"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AnnouncedError {}

/// The beginning of version 1.
const TEXT: &[u8] = b"PROXY ";

/// The longest line of version 1, with its end.
const MAX_LINE: usize = 107;

/// The beginning of version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 2 that is read. The addresses take 216 bytes at most; the rest is what proxies add.
const MAX_HEADER: usize = 4096;

// The version and the command.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

// The family and the transport.
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX: u8 = 0x31;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("it is short").to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    /// Addresses from 192.0.2.1 and 2001:db8::1 with ports, and others longer than they need be.
    fn good() -> Vec<(Vec<u8>, Option<IpAddr>)> {
        let four = Some("192.0.2.1".parse().expect("an address"));
        let six = Some("2001:db8::1".parse().expect("an address"));
        let ports = [0xA6, 0x54, 0x4A, 0x08];
        let ipv4 = [&[192, 0, 2, 1, 127, 0, 0, 1][..], &ports].concat();
        let from: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        let ipv6 = [&from.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &ports].concat();
        let more = [&ipv4[..], &[0x04, 0, 3, b'x', b'y', b'z']].concat();
        vec![
            (b"PROXY TCP4 192.0.2.1 127.0.0.1 56446 18951\r\n".to_vec(), four),
            (b"PROXY TCP4 192.0.2.1 127.0.0.1 0 65535\r\n".to_vec(), four),
            (b"PROXY TCP6 2001:db8::1 ::1 56446 18951\r\n".to_vec(), six),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN whatever it says\r\n".to_vec(), None),
            ([b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat(), None),
            (version_2(PROXY, TCP4, &ipv4), four),
            (version_2(PROXY, TCP4, &more), four),
            (version_2(PROXY, TCP6, &ipv6), six),
            (version_2(PROXY, UNSPECIFIED, &[]), None),
            (version_2(PROXY, UNSPECIFIED, &[1, 2, 3]), None),
            (version_2(PROXY, UNIX, &[0; 216]), None),
            (version_2(LOCAL, UNSPECIFIED, &[]), None),
            (version_2(LOCAL, TCP4, &ipv4), None),
            (version_2(LOCAL, 0xFF, &[0; 4080]), None),
        ]
    }

    #[tokio::test]
    async fn a_header_names_the_client_however_it_is_cut_and_what_follows_is_left() {
        for (header, client) in good() {
            let all = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            for cut in 0..all.len() {
                let (first, second) = all.split_at(cut);
                let mut stream = Lookahead::new(first.chain(second));
                let named = announced(&mut stream).await.expect("it is good");
                assert_eq!(named, client, "{:?}", header.escape_ascii().to_string());
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.expect("memory does not fail");
                assert_eq!(rest, b"GET / HTTP/1.1\r\n");
            }
            for cut in 0..header.len() {
                let error = announced(&mut Lookahead::new(&header[..cut])).await.expect_err("half of it");
                assert!(matches!(error, AnnouncedError::Ended), "{cut}: {error}");
            }
        }
    }

    #[test]
    fn what_is_not_quite_a_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        for line in [
            "GET / HTTP/1.1\r\n",
            "proxy TCP4 192.0.2.1 127.0.0.1 1 2\r\n",
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXY TCP5 192.0.2.1 127.0.0.1 1 2\r\n",
            "PROXY  TCP4 192.0.2.1 127.0.0.1 1 2\r\n",
            "PROXY TCP4  192.0.2.1 127.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 1  2\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 1 2 \r\n",
            "PROXY TCP4 192.0.2.1\t127.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 1\r\n",
            "PROXY TCP4 192.0.2.01 127.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2 127.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.256 127.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 nowhere 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 127.0.0.1 1 2\r\n",
            "PROXY TCP6 [::1] ::1 1 2\r\n",
            "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 01 2\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 1 00\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\n",
            "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\rGET",
            "PROXY UNKNOWN\n",
            "PROXY UNKNOWNS\r\n",
            long.as_str(),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line:?}");
        }
        for header in [
            version_2(0x11, TCP4, &[0; 12]),
            version_2(0x22, TCP4, &[0; 12]),
            version_2(PROXY, TCP4, &[0; 11]),
            version_2(PROXY, TCP6, &[0; 35]),
            version_2(PROXY, UNIX, &[0; 215]),
            version_2(PROXY, 0x12, &[0; 12]),
            version_2(PROXY, 0x41, &[0; 40]),
            version_2(LOCAL, UNSPECIFIED, &[0; 4081]),
            b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(),
        ] {
            assert_eq!(parse(&header), Err(Malformed), "{:?}", header.escape_ascii().to_string());
        }
    }

    /// Bytes that come near to a header.
    fn nearly() -> impl Strategy<Value = Vec<u8>> {
        let headers: Vec<_> = good().into_iter().map(|(header, _)| header).collect();
        let spoilt = (prop::sample::select(headers), any::<prop::sample::Index>(), any::<u8>());
        let spoilt = spoilt.prop_map(|(mut header, at, byte)| {
            let at = at.index(header.len());
            header[at] = byte;
            header
        });
        prop_oneof![spoilt, prop::collection::vec(any::<u8>(), 0..300)]
    }

    proptest! {
        #[test]
        fn whatever_comes_is_told_at_once_or_with_more_and_the_same_either_way(bytes in nearly()) {
            let whole = parse(&bytes);
            for cut in 0..bytes.len() {
                match parse(&bytes[..cut]) {
                    Ok(None) => {}
                    told => prop_assert_eq!(told, whole, "after {} bytes", cut),
                }
            }
            if let Ok(Some(Header { length, .. })) = whole {
                prop_assert!(length <= bytes.len());
            }
            if bytes.len() > MAX_HEADER {
                prop_assert!(whole != Ok(None), "no header is longer");
            }
        }
    }
}
