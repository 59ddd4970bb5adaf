//! Which HTTP a client speaks, told by its first bytes.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Reads until it is clear what the client speaks. What was read belongs to the connection still.
///
/// # Errors
///
/// Those of the stream.
pub(super) async fn read_ahead(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Protocol, BytesMut)> {
    // As much as a whole head mostly takes, so that looking costs no system call of its own.
    let mut read = BytesMut::with_capacity(4096);
    loop {
        let ended = stream.read_buf(&mut read).await? == 0;
        if read.starts_with(PREFACE) {
            return Ok((Protocol::Http2, read));
        }
        if ended || !PREFACE.starts_with(&read) {
            return Ok((Protocol::Http1, read));
        }
    }
}

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_preface_is_known_however_it_is_cut_and_nothing_is_lost() {
        for cut in 1..PREFACE.len() {
            let (first, second) = PREFACE.split_at(cut);
            let mut stream = tokio::io::join(first.chain(second).chain(&b"more"[..]), tokio::io::empty());
            let (protocol, mut read) = read_ahead(&mut stream).await.expect("memory does not fail");
            assert_eq!(protocol, Protocol::Http2);
            stream.read_to_end(&mut Vec::new()).await.map(|_| ()).expect("memory does not fail");
            assert!(read.split_to(PREFACE.len()) == PREFACE);
        }
    }

    #[tokio::test]
    async fn everything_else_is_http_1() {
        for sent in ["", "G", "GET / HTTP/1.1\r\n", "P", "PRI", "POST /", "PRI * HTTP/2.0\r\n\r\nXX"] {
            let (protocol, read) = read_ahead(&mut sent.as_bytes()).await.expect("memory does not fail");
            assert_eq!((protocol, &read[..]), (Protocol::Http1, sent.as_bytes()));
        }
    }
}
