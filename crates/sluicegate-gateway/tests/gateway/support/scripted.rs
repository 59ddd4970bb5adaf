//! An upstream that tests write byte by byte.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::soon;

/// An upstream whose every byte the test writes.
pub(crate) struct Scripted {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

pub(crate) struct Connection(TcpStream);

impl Scripted {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    pub(crate) async fn accept(&self) -> Connection {
        Connection(soon(self.listener.accept()).await.expect("it listens").0)
    }

    /// Answers one request without a body, and closes the connection.
    pub(crate) async fn answer_once(&self, answer: &str) {
        let mut connection = self.accept().await;
        connection.request(b"\r\n\r\n").await;
        connection.write(answer).await;
        connection.half_close().await;
        connection.closed().await;
    }
}

impl Connection {
    /// Reads until the request ends with `end`, and gives it in small letters.
    pub(crate) async fn request(&mut self, end: &[u8]) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end) {
            assert!(soon(self.0.read_buf(&mut read)).await.expect("not reset") > 0, "closed after {read:?}");
        }
        String::from_utf8_lossy(&read).to_ascii_lowercase()
    }

    /// Reads until the gateway closes the connection, one way or the other.
    pub(crate) async fn closed(&mut self) {
        let _ = soon(self.0.read_to_end(&mut Vec::new())).await;
    }

    /// Reads until the connection is over: true if it was reset, and not closed in peace.
    pub(crate) async fn is_reset(&mut self) -> bool {
        soon(self.0.read_to_end(&mut Vec::new())).await.is_err()
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.0.write_all(bytes.as_ref())).await.expect("not reset");
    }

    /// Writes what the gateway still takes.
    pub(crate) async fn write_if_open(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon(self.0.write_all(bytes.as_ref())).await;
    }

    /// Resets the connection instead of closing it.
    pub(crate) fn reset(self) {
        self.0.set_zero_linger().expect("it is open");
    }

    /// Says that nothing more will be sent, and keeps reading.
    pub(crate) async fn half_close(&mut self) {
        self.0.shutdown().await.expect("it is open");
    }
}
