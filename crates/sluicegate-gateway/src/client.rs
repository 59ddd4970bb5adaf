//! A client's connection: which HTTP it speaks, within which limits, and how it ends.

mod client_timeouts;
pub(crate) mod connections;
mod heads;
mod http2;
mod lookahead;
mod preface;
mod proxy_protocol;
mod refusal;
mod stream;
mod target;

use std::{
    cell::Cell,
    convert::Infallible,
    error::Error,
    future::pending,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use http::{
    Request, StatusCode,
    header::{CONNECTION, HeaderValue},
};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sluicegate_policy::Refusal;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

pub(crate) use self::http2::IdleCalls;
use self::{
    client_timeouts::ClientTimeouts,
    heads::Heads,
    http2::TooMany,
    lookahead::Lookahead,
    preface::{Protocol, is_in_clear, protocol},
    proxy_protocol::{AnnouncedError, announced},
    stream::ClientStream,
    target::SetAside,
};
use crate::{
    client::connections::Connected,
    io::{
        dormant::Dormant,
        tls::{self, Certificates},
        wake_filter::WakeFilter,
    },
    reload::current::Current,
    request::{
        body::{
            AnswerBody, ClientBody,
            unread::{Rest, Unread},
        },
        forward::Peer,
        interim::Interims,
    },
    threads::drain::{self, Draining},
    upgrade::Switch,
};

/// The state of a worker that serves each of its clients.
pub(crate) struct Clients {
    pub(crate) current: Rc<Current>,
    /// By TLS, if given.
    pub(crate) certificates: Option<Certificates>,
    pub(crate) idle_calls: IdleCalls,
}

/// Bounds on a client, from the beginning of its connection to the end: a reload changes them only for
/// others.
#[derive(Clone, Copy)]
struct Bounds {
    /// The maximum time for the head of a request.
    header: Duration,
    /// For the next request.
    keep_alive: Duration,
    /// For the next byte of a body.
    idle: Duration,
    /// For one more request when the drain has begun.
    last: Duration,
    /// The maximum size of a request's head, in bytes.
    max_head: u32,
    /// The maximum number of its fields.
    max_headers: usize,
    /// The maximum number of concurrent HTTP/2 requests.
    max_streams: u32,
    /// The maximum number of them that the client may give up.
    max_resets: usize,
}

impl Clients {
    /// Serves one connection until it ends, or the drain has begun and its requests are answered.
    pub(crate) async fn serve(
        self: Rc<Self>,
        stream: TcpStream,
        mut connected: Connected,
        draining: Draining,
    ) {
        if let Err(error) = self.begin(stream, &mut connected, draining).await {
            if error.is::<TooMany>() {
                connected.refuse_resets();
            }
            tracing::debug!(error, "a client's connection ended early");
        }
    }

    async fn begin(
        &self,
        stream: TcpStream,
        connected: &mut Connected,
        mut draining: Draining,
    ) -> Result<(), Box<dyn Error>> {
        let bounds = self.bounds();
        stream::prepare(&stream, bounds.idle)?;
        let mut stream = Lookahead::new(stream);
        if self.current.proxy().settings().proxy_protocol {
            // Boxed, because few have it.
            let named = Box::pin(self.name(&mut stream, connected, bounds));
            tokio::select! {
                biased;
                named = named => named?,
                () = draining.over(bounds.last) => return Ok(()),
            }
        }
        match &self.certificates {
            None => {
                let told = protocol_in_clear(&mut stream, bounds, &mut draining).await?;
                let Some(protocol) = told else { return Ok(()) };
                let peer = Peer::new(connected.ip(), "http");
                match protocol {
                    // Called from here alone: each function in between would keep everything once more for the connection.
                    Protocol::Http1 => self.http1(stream, &peer, bounds, draining).await,
                    _ => Box::pin(self.converse(protocol, stream, peer, bounds, draining)).await,
                }
            }
            Some(certificates) => {
                Box::pin(self.by_tls(stream, connected, certificates, bounds, draining)).await
            }
        }
    }

    /// Finds out for whom a proxy connected.
    async fn name(
        &self,
        stream: &mut Lookahead<TcpStream>,
        connected: &mut Connected,
        bounds: Bounds,
    ) -> Result<(), Box<dyn Error>> {
        let announced = timeout(bounds.header, announced(stream)).await?;
        if let Err(AnnouncedError::Malformed(_)) = announced {
            connected.refuse_header();
            let proxy = connected.ip();
            tracing::warn!(%proxy, "closed a connection that does not begin with a PROXY protocol header");
        }
        if let Some(ip) = announced? {
            connected.is_from(ip, self.current.proxy().policy())?;
        }
        Ok(())
    }

    async fn by_tls(
        &self,
        mut stream: Lookahead<TcpStream>,
        connected: &Connected,
        certificates: &Certificates,
        bounds: Bounds,
        mut draining: Draining,
    ) -> Result<(), Box<dyn Error>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&certificates.borrow()));
        let accepted = timeout(bounds.header, async {
            if is_in_clear(&mut stream).await? {
                Ok(Err(stream))
            } else {
                acceptor.accept(stream).await.map(Ok)
            }
        });
        let accepted = tokio::select! {
            biased;
            accepted = accepted => accepted??,
            () = draining.over(bounds.last) => return Ok(()),
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(stream) => {
                let ip = connected.ip();
                return Ok(self
                    .refuse_protocol(stream, ip, "This port speaks TLS: use https", bounds)
                    .await?);
            }
        };
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(tls::HTTP_2) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        self.converse(protocol, stream, Peer::new(connected.ip(), "https"), bounds, draining).await?;
        Ok(())
    }

    fn bounds(&self) -> Bounds {
        let proxy = self.current.proxy();
        let settings = proxy.settings();
        Bounds {
            header: settings.header_timeout,
            keep_alive: settings.client_keep_alive,
            idle: settings.idle_timeout,
            last: drain::pause(settings),
            max_head: settings.max_head,
            max_headers: settings.max_headers,
            max_streams: settings.http2_max_streams,
            max_resets: settings.http2_max_resets,
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        protocol: Protocol,
        stream: S,
        peer: Peer,
        bounds: Bounds,
        draining: Draining,
    ) -> Result<(), Box<dyn Error>> {
        match protocol {
            Protocol::Http1 => self.http1(stream, &peer, bounds, draining).await,
            // Boxed, because it is large and most connections are HTTP/1.1.
            Protocol::Http2 => Box::pin(self.http2(stream, peer, bounds, draining)).await,
            Protocol::Tls => {
                let refused =
                    self.refuse_protocol(stream, peer.ip, "This port speaks HTTP in clear: use http", bounds);
                Ok(Box::pin(refused).await?)
            }
        }
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        stream: S,
        peer: &Peer,
        bounds: Bounds,
        mut draining: Draining,
    ) -> Result<(), Box<dyn Error>> {
        let (unread, switch, is_last) = (Unread::default(), Switch::default(), Cell::new(false));
        let timeouts = ClientTimeouts::new();
        let set_aside = SetAside::default();
        let heads = Heads::new(timeouts.clone(), set_aside.clone());
        let interims = Interims::default();
        let stream = ClientStream::new(stream, unread.clone(), Some(heads)).with_interims(interims.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let (mut head, body) = request.into_parts();
            let proxy = self.current.proxy();
            let (is_last, switch, interims) = (&is_last, &switch, &interims);
            let unread = unread.begin(if !head.extensions.is_empty() {
                // Hyper adds something where another protocol may follow.
                Rest::Unknown
            } else if body.is_end_stream() {
                Rest::Nothing
            } else {
                Rest::Body
            });
            let is_restored = set_aside.restore(&mut head.uri);
            async move {
                let body = ClientBody::http1(body, unread);
                let mut answer = if is_restored {
                    proxy.serve(&mut head, body, peer, switch, Some(interims)).await
                } else {
                    proxy.refuse(Refusal::TargetTooLong).map(|bytes| AnswerBody::Own(Some(bytes)))
                };
                if is_last.get() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        // A client may be sending its next request right now: closed at once, it would not know whether it was served.
        let told_to_end = pin!(async {
            draining.there().await;
            is_last.set(true);
            sleep(bounds.last).await;
        });
        let timed_out = pin!(timeouts.expired(bounds.header, bounds.keep_alive));
        let mut builder = http1::Builder::new();
        builder
            // Hyper is told a time so that it tells us when it waits.
            .timer(timeouts.clone())
            .header_read_timeout(bounds.header)
            .max_buf_size(MAX_BUFFER.max(bounds.max_head as usize))
            .max_header_size(bounds.max_head as usize);
        // Hyper has a faster way for its own number.
        if bounds.max_headers != HYPERS_MAX_HEADERS {
            builder.max_headers(bounds.max_headers);
        }
        let mut connection = WakeFilter::new(builder.serve_connection(stream, service));
        let finish = |connection: Pin<&mut WakeFilter<_>>| {
            http1::Connection::graceful_shutdown(Pin::new(connection.get_mut().get_mut()));
        };
        let served = tokio::select! {
            biased;
            served = drive(Pin::new(&mut connection), finish, Dormant::new(told_to_end), pending()) => served,
            () = Dormant::new(timed_out) => return Ok(()),
        };
        if let Err(error) = served {
            let mut stream = connection.into_inner().into_parts().io;
            if let Some(status) = stream.refused() {
                Box::pin(self.refuse_head(stream, status, bounds.idle)).await?;
            }
            return Err(error.into());
        }
        if let Some(tunnel) = switch.take() {
            let parts = connection.into_inner().into_parts();
            // Boxed, because it is rare and large.
            Box::pin(tunnel.run(TokioIo::new(parts.io), parts.read_buf)).await?;
        }
        Ok(())
    }
}

/// The protocol of a connection in clear. `None` if the drain is over before its client has asked for anything.
async fn protocol_in_clear(
    stream: &mut Lookahead<TcpStream>,
    bounds: Bounds,
    draining: &mut Draining,
) -> Result<Option<Protocol>, Box<dyn Error>> {
    tokio::select! {
        biased;
        told = timeout(bounds.header, protocol(stream)) => Ok(Some(told??)),
        () = draining.over(bounds.last) => Ok(None),
    }
}

/// Drives a connection to its end, and tells it to `finish` what runs and no more once `told_to_end`. It is cut when it is
/// `left` open nevertheless.
async fn drive<C: Future<Output = Result<(), E>>, E>(
    mut connection: Pin<&mut C>,
    finish: impl FnOnce(Pin<&mut C>),
    told_to_end: impl Future<Output = ()>,
    left: impl Future<Output = ()>,
) -> Result<(), E> {
    tokio::select! {
        biased;
        served = connection.as_mut() => served,
        () = told_to_end => {
            finish(connection.as_mut());
            tokio::select! {
                biased;
                served = connection => served,
                () = left => Ok(()),
            }
        }
    }
}

/// The most that hyper buffers for a client of HTTP/1.1.
const MAX_BUFFER: usize = 64 * 1024;

/// As many fields as hyper reads where it is not told a number.
const HYPERS_MAX_HEADERS: usize = 100;
