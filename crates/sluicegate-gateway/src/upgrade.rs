//! Connections that switch to another protocol, as those of WebSockets do (RFC 9110, section 7.8), and streams that become
//! one.

mod extended;

use std::{
    cell::{Cell, RefCell},
    io,
    pin::pin,
};

use bytes::Bytes;
use http::{
    Version,
    header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE},
    request::Parts,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::Instant,
};

use crate::{io::idle_timer::IdleTimer, request::running::Running, upstream::Exchange};

pub(crate) use self::extended::Extended;

/// The protocol that a request asks to switch to.
///
/// None for another version of HTTP or TLS, because the gateway could not inspect its requests.
pub(crate) fn asked_for(head: &Parts) -> Option<HeaderValue> {
    let mut lines = head.headers.get_all(UPGRADE).iter();
    let (protocol, None) = (lines.next()?, lines.next()) else { return None };
    let may_ask = head.version == Version::HTTP_11 || Extended::is_asked_by(&head.extensions);
    let asks = may_ask && has_option(&head.headers, b"upgrade");
    let mut names = protocol.as_bytes().split(|byte| matches!(byte, b',' | b'/')).map(<[u8]>::trim_ascii);
    let is_harmless = !names.any(|name| NEVER.iter().any(|never| name.eq_ignore_ascii_case(never)));
    (asks && is_harmless).then(|| protocol.clone())
}

/// Asks for, or agrees to, another protocol.
pub(crate) fn name(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.append(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

fn has_option(headers: &HeaderMap, option: &[u8]) -> bool {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|known| known.trim_ascii().eq_ignore_ascii_case(option))
}

/// The place for the tunnel that a client's connection becomes when the response has been sent.
#[derive(Default)]
pub(crate) struct Switch(RefCell<Option<Tunnel>>);

impl Switch {
    pub(crate) fn put(&self, tunnel: Tunnel) {
        *self.0.borrow_mut() = Some(tunnel);
    }

    pub(crate) fn take(&self) -> Option<Tunnel> {
        self.0.borrow_mut().take()
    }
}

/// A connection after a 101 response. It holds the request's permit and slots to the end.
pub(crate) struct Tunnel {
    pub(crate) exchange: Exchange,
    pub(crate) _running: Running,
}

impl Tunnel {
    /// Carries bytes both ways until the upstream has closed its side, either side breaks off, or the time is over. Of the
    /// client, `ahead` has been read.
    pub(crate) async fn run(mut self, client: impl AsyncRead + AsyncWrite, ahead: Bytes) -> io::Result<()> {
        let Some(upstream) = self.exchange.switched().await else { return Ok(()) };
        let (from_client, to_client) = split(client);
        let (from_upstream, to_upstream) = split(TokioIo::new(upstream.stream));
        let moved = Cell::new(Instant::now());
        let mut up = pin!(carry(from_client, to_upstream, ahead, &moved));
        let mut down = pin!(carry(from_upstream, to_client, upstream.ahead, &moved));
        tokio::select! {
            carried = async {
                tokio::select! {
                    carried = up.as_mut() => {
                        carried?;
                        // The client has said all, and may still be told something.
                        down.as_mut().await
                    }
                    carried = down.as_mut() => carried,
                }
            } => carried,
            () = IdleTimer::ended(|| upstream.idle, || {
                let stalled = moved.get() + upstream.idle;
                upstream.until.map_or(stalled, |until| until.min(stalled))
            }) => Ok(()),
        }
    }
}

/// Carries the bytes already read, and then the rest of the stream.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    ahead: Bytes,
    moved: &Cell<Instant>,
) -> io::Result<()> {
    to.write_all(&ahead).await?;
    drop(ahead);
    let mut buffer = vec![0; BUFFER];
    loop {
        to.flush().await?;
        let read = from.read(&mut buffer).await?;
        moved.set(Instant::now());
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Protocols that would carry requests past every limit.
const NEVER: [&[u8]; 4] = [b"h2c", b"h2", b"http", b"tls"];

/// Bytes that are carried at once, of each direction.
const BUFFER: usize = 16 * 1024;
