//! A client's connection: which HTTP it speaks, within which limits, and how it ends.

mod http2;
mod preface;
mod stream;

use std::{
    convert::Infallible,
    error::Error,
    net::IpAddr,
    pin::{Pin, pin},
    rc::Rc,
    time::Duration,
};

use bytes::BytesMut;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioTimer;
use tokio::{net::TcpStream, time::timeout};

use self::{
    http2::{Answering, Streams},
    preface::{Protocol, read_ahead},
    stream::ClientStream,
};
use crate::{current::Current, drain::Draining, forward::Peer};

pub(crate) use self::stream::Unread;

/// What every client of one worker is served by.
pub(crate) struct Clients {
    pub(crate) current: Rc<Current>,
}

/// How long a client is waited for, from the beginning of its connection to the end: a reload changes it for others.
#[derive(Clone, Copy)]
struct Patience {
    /// For the head of a request.
    header: Duration,
    /// For the next byte of a body.
    idle: Duration,
}

impl Clients {
    /// Serves one connection until it ends, or the drain has begun and its requests are answered.
    pub(crate) async fn serve(self: Rc<Self>, stream: TcpStream, ip: IpAddr, draining: Draining) {
        if let Err(error) = self.converse(stream, Peer::new(ip), draining).await {
            tracing::debug!(error, "a client's connection ended early");
        }
    }

    async fn converse(
        &self,
        mut stream: TcpStream,
        peer: Peer,
        mut draining: Draining,
    ) -> Result<(), Box<dyn Error>> {
        let patience = self.patience();
        stream::prepare(&stream, patience.idle)?;
        let (protocol, ahead) = tokio::select! {
            biased;
            read = timeout(patience.header, read_ahead(&mut stream)) => read??,
            // It has not asked for anything: it is closed as any idle connection.
            _ = draining.begun() => (Protocol::Http1, BytesMut::new()),
        };
        match protocol {
            Protocol::Http1 => self.http1(stream, ahead, &peer, patience, draining).await?,
            // Boxed, because it is large and most connections are HTTP/1.1.
            Protocol::Http2 => Box::pin(self.http2(stream, ahead, peer, patience, draining)).await?,
        }
        Ok(())
    }

    fn patience(&self) -> Patience {
        let proxy = self.current.proxy();
        let settings = proxy.settings();
        Patience { header: settings.header_timeout, idle: settings.idle_timeout }
    }

    async fn http1(
        &self,
        stream: TcpStream,
        ahead: BytesMut,
        peer: &Peer,
        patience: Patience,
        draining: Draining,
    ) -> hyper::Result<()> {
        let unread = Unread::default();
        let stream = ClientStream::new(stream, ahead, unread.clone());
        let service = service_fn(|request| {
            let (proxy, unread) = (self.current.proxy(), unread.clone());
            async move { Ok::<_, Infallible>(proxy.serve(request, peer, unread).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.header)
            .max_buf_size(MAX_BUFFER)
            .max_header_size(MAX_HEAD as usize)
            .serve_connection(stream, service);
        drive(connection, http1::Connection::graceful_shutdown, draining).await
    }

    async fn http2(
        &self,
        stream: TcpStream,
        ahead: BytesMut,
        peer: Peer,
        patience: Patience,
        draining: Draining,
    ) -> hyper::Result<()> {
        // A body that is let go ends its own stream and nothing else: the connection need not know.
        let (stream, unread) = (ClientStream::new(stream, ahead, Unread::default()), Unread::default());
        let (answering, peer) = (Answering::default(), Rc::new(peer));
        let streams = Streams::new(patience.idle, answering.clone());
        let service = service_fn(move |request| {
            let (proxy, peer) = (self.current.proxy(), Rc::clone(&peer));
            let (unread, answering) = (unread.clone(), answering.clone());
            async move {
                let answer = proxy.serve(request, &peer, unread).await;
                answering.begin();
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http2::builder(streams).serve_connection(stream, service);
        drive(connection, hyper::server::conn::http2::Connection::graceful_shutdown, draining).await
    }
}

/// Drives a connection to its end, and tells it to `finish` when the drain begins.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    finish: impl FnOnce(Pin<&mut C>),
    mut draining: Draining,
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        served = connection.as_mut() => served,
        Ok(()) = draining.begun() => {
            finish(connection.as_mut());
            connection.await
        }
    }
}

/// The most that hyper buffers for a client of HTTP/1.1.
const MAX_BUFFER: usize = 64 * 1024;

/// The largest head of a request; above, 431.
const MAX_HEAD: u32 = 32 * 1024;
