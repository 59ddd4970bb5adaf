//! Clients of HTTP/2: one that is well behaved, and one that writes frames by hand.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full, channel::Channel, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::soon;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A connection of HTTP/2.
pub(crate) struct Client2 {
    sender: SendRequest<Body>,
    connection: JoinHandle<hyper::Result<()>>,
}

/// An answer that has arrived whole.
pub(crate) struct Answer2 {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Client2 {
    /// Connects without asking whether the gateway speaks HTTP/2.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the gateway listens")).await
    }

    /// Speaks HTTP/2 over a stream.
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = soon(handshake).await.expect("a preface can be written");
        Self { sender, connection: tokio::spawn(connection) }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> hyper::Result<hyper::Response<Incoming>> {
        soon(self.sending(request)).await
    }

    /// The same, as a future of its own: dropping it resets the stream.
    pub(crate) fn sending(
        &self,
        request: Request<Body>,
    ) -> impl Future<Output = hyper::Result<hyper::Response<Incoming>>> + Send + use<> {
        let mut sender = self.sender.clone();
        async move {
            sender.ready().await?;
            sender.send_request(request).await
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer2 {
        let (head, body) = self.send(request).await.expect("it is answered").into_parts();
        let body = soon(body.collect()).await.expect("the answer is whole");
        let trailers = body.trailers().cloned();
        Answer2 { status: head.status, headers: head.headers, body: body.to_bytes(), trailers }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer2 {
        self.ask(get(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> Answer2 {
        self.ask(post(path, full(body))).await
    }

    /// Waits until the connection is over.
    pub(crate) async fn closed(self) {
        // Without an open sender the client itself would close it.
        let _ = soon(self.connection).await.expect("no panic");
        drop(self.sender);
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://test{path}")).body(empty()).expect("valid")
}

pub(crate) fn post(path: &str, body: Body) -> Request<Body> {
    Request::post(format!("http://test{path}")).body(body).expect("valid")
}

pub(crate) fn empty() -> Body {
    Empty::new().boxed()
}

pub(crate) fn full(bytes: &[u8]) -> Body {
    Full::new(Bytes::copy_from_slice(bytes)).boxed()
}

/// A body in pieces without a length, and trailers after it.
pub(crate) fn pieces(body: &[u8], trailers: HeaderMap) -> Body {
    let (mut sender, channel) = Channel::new(1);
    let pieces: Vec<_> = body.chunks(9_973).map(Bytes::copy_from_slice).collect();
    tokio::spawn(async move {
        for piece in pieces {
            // Who reads it may have read enough.
            if sender.send_data(piece).await.is_err() {
                return;
            }
        }
        let _ = sender.send_trailers(trailers).await;
    });
    channel.boxed()
}

/// A connection on which the test writes frames by hand.
pub(crate) struct Frames(TcpStream);

/// A frame as it came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frames {
    /// Connects, and sends the preface and settings.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut frames = Self(TcpStream::connect(address).await.expect("the gateway listens"));
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        soon(frames.0.write_all(&begin)).await.expect("it is open");
        frames
    }

    /// Writes bytes; that the other side has closed is for the reader to see.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = soon(self.0.write_all(bytes)).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn read(&mut self) -> Option<Frame> {
        soon(next(&mut self.0)).await
    }

    /// Writes bytes for as long as they are taken, and reads frames up to the GOAWAY meanwhile.
    pub(crate) async fn go_away_while(self, bytes: &[u8]) -> Option<u32> {
        let (read, mut write) = self.0.into_split();
        let (go_away, _) = tokio::join!(go_away(read), soon(write.write_all(bytes)));
        go_away
    }
}

/// Reads frames up to the GOAWAY, and gives its error code; `None` when the connection ends without.
async fn go_away(mut stream: impl AsyncRead + Unpin) -> Option<u32> {
    loop {
        let frame = soon(next(&mut stream)).await?;
        if frame.kind == GOAWAY {
            return Some(frame.code());
        }
    }
}

/// Reads a frame; `None` at the end of the connection.
pub(crate) async fn next(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    let stream = u32::from_be_bytes(head[5..9].try_into().expect("four bytes"));
    Some(Frame { kind: head[3], flags: head[4], stream, payload })
}

impl Frame {
    /// The error code of RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }
}

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is small").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of `GET http://a/`, in the numbers of the static table.
pub(crate) const GET: &[u8] = &[0x82, 0x84, 0x86, 0x41, 1, b'a'];

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
