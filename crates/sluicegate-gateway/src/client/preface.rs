//! The HTTP version of a client, from its first bytes.

use std::io;

use tokio::io::AsyncRead;

use super::lookahead::Lookahead;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
    /// TLS, which no HTTP begins with.
    Tls,
}

/// Peeks until the client's protocol is clear.
///
/// # Errors
///
/// Those of the stream.
pub(super) async fn protocol(stream: &mut Lookahead<impl AsyncRead + Unpin>) -> io::Result<Protocol> {
    loop {
        if stream.seen().starts_with(PREFACE) {
            return Ok(Protocol::Http2);
        }
        if stream.seen().first() == Some(&HANDSHAKE) {
            return Ok(Protocol::Tls);
        }
        if !PREFACE.starts_with(stream.seen()) || !stream.look().await? {
            return Ok(Protocol::Http1);
        }
    }
}

/// Looks ahead at the first byte, and returns `true` if it can begin HTTP and no TLS: a letter of a method.
///
/// # Errors
///
/// Those of the stream.
pub(super) async fn is_in_clear(stream: &mut Lookahead<impl AsyncRead + Unpin>) -> io::Result<bool> {
    if stream.seen().is_empty() {
        stream.look().await?;
    }
    Ok(stream.seen().first().is_some_and(u8::is_ascii_alphabetic))
}

/// The type of the record in which a client of TLS sends its first message (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

/// The first bytes from an HTTP/2 client (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn the_preface_is_known_however_it_is_cut_and_nothing_is_lost() {
        for cut in 1..PREFACE.len() {
            let (first, second) = PREFACE.split_at(cut);
            let mut stream = Lookahead::new(first.chain(second).chain(&b"more"[..]));
            assert_eq!(protocol(&mut stream).await.expect("memory does not fail"), Protocol::Http2);
            let mut read = Vec::new();
            stream.read_to_end(&mut read).await.expect("memory does not fail");
            assert_eq!(read, [PREFACE, b"more"].concat());
        }
    }

    #[tokio::test]
    async fn tls_and_http_are_told_apart_by_their_first_byte() {
        for (sent, is_tls, is_clear) in [
            (&b"\x16"[..], true, false),
            (b"\x16\x03\x01\x02\x00\x01", true, false),
            (b"G", false, true),
            (PREFACE, false, true),
            (b"\x80\x2e\x01", false, false),
            (b"\r\nGET", false, false),
            (b"", false, false),
        ] {
            let is_handshake =
                protocol(&mut Lookahead::new(sent)).await.expect("memory does not fail") == Protocol::Tls;
            let mut stream = Lookahead::new(sent);
            assert_eq!(is_handshake, is_tls, "{}", sent.escape_ascii());
            assert_eq!(is_in_clear(&mut stream).await.expect("memory does not fail"), is_clear);
            assert_eq!(stream.seen(), sent, "nothing is lost");
        }
    }

    #[tokio::test]
    async fn everything_else_is_http_1() {
        for sent in ["", "G", "GET / HTTP/1.1\r\n", "P", "PRI", "POST /", "PRI * HTTP/2.0\r\n\r\nXX"] {
            let mut stream = Lookahead::new(sent.as_bytes());
            assert_eq!(protocol(&mut stream).await.expect("memory does not fail"), Protocol::Http1);
            assert_eq!(stream.seen(), sent.as_bytes());
        }
    }
}
