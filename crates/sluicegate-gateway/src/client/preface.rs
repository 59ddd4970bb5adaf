//! Which HTTP a client speaks, told by its first bytes.

use std::io;

use tokio::io::AsyncRead;

use super::lookahead::Lookahead;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Looks ahead until it is clear what the client speaks.
///
/// # Errors
///
/// Those of the stream.
pub(super) async fn protocol(stream: &mut Lookahead<impl AsyncRead + Unpin>) -> io::Result<Protocol> {
    loop {
        if stream.seen().starts_with(PREFACE) {
            return Ok(Protocol::Http2);
        }
        if !PREFACE.starts_with(stream.seen()) || !stream.look().await? {
            return Ok(Protocol::Http1);
        }
    }
}

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
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
    async fn everything_else_is_http_1() {
        for sent in ["", "G", "GET / HTTP/1.1\r\n", "P", "PRI", "POST /", "PRI * HTTP/2.0\r\n\r\nXX"] {
            let mut stream = Lookahead::new(sent.as_bytes());
            assert_eq!(protocol(&mut stream).await.expect("memory does not fail"), Protocol::Http1);
            assert_eq!(stream.seen(), sent.as_bytes());
        }
    }
}
