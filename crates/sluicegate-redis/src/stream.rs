//! The bytes to and from a server.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, select_ok};
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, lookup_host},
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::address::Node;

/// A connection's bytes, by TCP, TLS or a socket of this machine. It counts how often it was written to.
pub(crate) struct Stream {
    bytes: Box<dyn Bytes>,
    writes: Writes,
    heard: Instant,
}

/// The number of writes to a connection so far, for comparison: what was sent while it stood still
/// never left this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes(Arc<AtomicU64>);

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {
    fn socket(&self) -> SockRef<'_>;
}

impl Bytes for TcpStream {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

impl Bytes for TlsStream<TcpStream> {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.get_ref().0)
    }
}

impl Bytes for UnixStream {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

impl Stream {
    /// Connects to the first of a host's addresses that answers.
    pub(crate) async fn tcp(node: &Node, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let addresses = lookup_host((node.host.as_str(), node.port)).await?;
        let tries: Vec<BoxFuture<'static, _>> =
            addresses.map(|address| TcpStream::connect(address).boxed()).collect();
        if tries.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
        }
        let (stream, _) = select_ok(tries).await?;
        // Without it, a batch would wait for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        // Firewalls and address translation forget connections that are silent, some after minutes.
        let keepalive = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 4);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let Some(tls) = tls else { return Ok(Self::over(stream)) };
        let name = ServerName::try_from(node.host.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Self::over(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?))
    }

    /// Connects to a socket of this machine.
    pub(crate) async fn unix(path: &Path) -> io::Result<Self> {
        Ok(Self::over(UnixStream::connect(path).await?))
    }

    pub(crate) fn writes(&self) -> Writes {
        self.writes.clone()
    }

    fn over(bytes: impl Bytes + 'static) -> Self {
        Self { bytes: Box::new(bytes), writes: Writes::default(), heard: Instant::now() }
    }

    /// Returns `true` if the other side has closed it, although that has not been read yet. A busy runtime tells of ends
    /// only now and then.
    fn has_ended(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        match self.bytes.socket().peek(&mut byte) {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl Writes {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.bytes).poll_read(cx, buf);
        if read.is_ready() {
            self.heard = Instant::now();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.heard.elapsed() >= IDLE && self.has_ended() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = Pin::new(&mut self.bytes).poll_write(cx, buf);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.writes.0.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }
}

/// The silence after which a connection may have been closed before that was noticed. Busy connections are not checked
/// before each write.
const IDLE: Duration = Duration::from_millis(5);
/// The silence after which the system probes the other side.
const SILENCE: Duration = Duration::from_secs(60);
