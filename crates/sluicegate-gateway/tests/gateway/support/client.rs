//! A client that writes and reads HTTP/1.1 by hand, so that tests see exactly what is on the wire.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::soon;

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    unparsed: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// A transport for clients.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("it is open");
        Self::over(stream)
    }

    /// Connects from an address of its own: all of 127.0.0.0/8 is this machine.
    pub(crate) async fn connect_from(local: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.bind((local, 0).into()).expect("loopback has free ports");
        Self::over(socket.connect(address).await.expect("the gateway listens"))
    }

    /// Speaks HTTP/1.1 over a stream.
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), unparsed: Vec::new() }
    }

    /// Sends a request, and reads the status of the answer if there is one.
    pub(crate) async fn try_get(&mut self, path: &str) -> Option<u16> {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        String::from_utf8(self.rest().await).ok()?.get(9..12)?.parse().ok()
    }

    /// Writes bytes; that the other side has closed is for the reader to see.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon(async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await;
    }

    /// Sends a request without a body and reads the answer.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        self.answer().await
    }

    /// Sends a body with its length and reads the answer.
    pub(crate) async fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        let length = body.len();
        self.write(format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n"))
            .await;
        self.write(body).await;
        self.answer().await
    }

    /// Reads a whole answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if let Some(length) = answer.header("content-length") {
            answer.body = self.exactly(length.parse().expect("a length")).await;
        } else if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend(chunk);
            }
        }
        answer
    }

    /// Reads a whole answer, and gives every byte of it: to `HEAD` it has no body.
    pub(crate) async fn raw_answer(&mut self, is_to_head: bool) -> String {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).expect("heads are ASCII");
        let lines = head.to_ascii_lowercase();
        let has = |line: &str| lines.contains(line);
        let length = lines.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let body = if is_to_head || has(" 204 ") || has(" 101 ") {
            Vec::new()
        } else if has("transfer-encoding: chunked") {
            self.until(b"0\r\n\r\n").await
        } else if let Some(length) = length {
            self.exactly(length).await
        } else {
            self.rest().await
        };
        head + &String::from_utf8_lossy(&body)
    }

    /// Reads the head of an answer, and leaves its body.
    pub(crate) async fn head(&mut self) -> Answer {
        let head = self.until(b"\r\n\r\n").await;
        let head = String::from_utf8(head).expect("heads are ASCII").to_ascii_lowercase();
        let status = head[9..12].parse().expect("a status line");
        Answer { status, head, body: Vec::new() }
    }

    /// Reads one chunk of a chunked body; `None` is its end.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.until(b"\r\n").await;
        let size = std::str::from_utf8(&size).expect("ASCII").trim();
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        let mut chunk = self.exactly(size + 2).await;
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Waits until the gateway closes the connection, and says whether it did so without a reset.
    pub(crate) async fn closed_cleanly(&mut self) -> bool {
        let mut rest = Vec::new();
        soon(self.stream.read_to_end(&mut rest)).await.is_ok()
    }

    /// Writes bytes, and says whether the other side still takes them.
    pub(crate) async fn can_write(&mut self, bytes: &[u8]) -> bool {
        soon(self.stream.write_all(bytes)).await.is_ok()
    }

    /// Everything until the gateway closes the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.unparsed);
        // A reset ends it as well.
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
        rest
    }

    /// So many bytes, whatever they are.
    pub(crate) async fn bytes(&mut self, length: usize) -> Vec<u8> {
        self.exactly(length).await
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn half_close(&mut self) {
        soon(self.stream.shutdown()).await.expect("it is open");
    }

    /// Waits until something comes, if only the end.
    pub(crate) async fn some(&mut self) {
        let _ = soon(self.stream.read_buf(&mut self.unparsed)).await;
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unparsed.len() < length {
            self.more().await;
        }
        self.unparsed.drain(..length).collect()
    }

    async fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.unparsed.windows(mark.len()).position(|window| window == mark) {
                return self.unparsed.drain(..at + mark.len()).collect();
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let read = soon(self.stream.read_buf(&mut self.unparsed)).await.expect("the connection is not reset");
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.unparsed));
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}
