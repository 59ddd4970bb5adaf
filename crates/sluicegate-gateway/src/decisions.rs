//! Decisions for other proxies and for programs, which ask whether a request may pass and serve it themselves.

mod callers;
mod calls;
pub(crate) mod entries;
#[cfg(feature = "grpc")]
mod grpc;
mod json;
pub(crate) mod permits;
mod proxies;
pub(crate) mod resp;

use std::{convert::Infallible, error::Error, net::IpAddr, pin::pin, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header, request::Parts};
use http_body::Body as _;
use http_body_util::Full;
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use sluicegate::SystemClock;
use sluicegate_stores::AnyStore;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use self::{callers::Callers, calls::serve_until_drained, json::Deciding, permits::Permits};
use crate::{
    io::{tcp, tls::Certificates},
    reload::current::Current,
    threads::drain::{self, Draining},
};

/// One worker's decision server.
pub(crate) struct Decisions {
    current: Rc<Current>,
    /// By TLS, if given.
    certificates: Option<Certificates>,
    draining: Draining,
    /// Shared by all workers.
    permits: Arc<Permits<AnyStore, SystemClock>>,
    callers: Callers,
}

impl Decisions {
    pub(crate) fn new(
        current: Rc<Current>,
        certificates: Option<Certificates>,
        draining: Draining,
        permits: Arc<Permits<AnyStore, SystemClock>>,
    ) -> Self {
        Self { current, certificates, draining, permits, callers: Callers::default() }
    }

    /// Answers proxies until the drain begins, then for as long as the gateway's own requests may finish.
    ///
    /// Returns the number of connections that had to be cut.
    pub(crate) async fn run(self, listener: TcpListener) -> usize {
        let this = Rc::new(self);
        let serve = |stream, peer| Rc::clone(&this).serve(stream, peer);
        serve_until_drained(listener, &this.current, this.draining.clone(), serve).await
    }

    async fn serve(self: Rc<Self>, stream: TcpStream, peer: IpAddr) {
        if let Err(error) = self.begin(stream, peer).await {
            tracing::debug!(error, "a proxy's connection ended early");
        }
    }

    async fn begin(
        self: Rc<Self>,
        stream: TcpStream,
        peer: IpAddr,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        tcp::prepare(&stream)?;
        let Some(certificates) = &self.certificates else { return self.converse(stream, peer).await };
        let acceptor = TlsAcceptor::from(Arc::clone(&certificates.borrow()));
        let bound = self.current.proxy().settings().header_timeout;
        self.converse(timeout(bound, acceptor.accept(stream)).await??, peer).await
    }

    async fn converse<S>(self: Rc<Self>, stream: S, peer: IpAddr) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut draining = self.draining.clone();
        let (last, max_head) = {
            let proxy = self.current.proxy();
            (drain::pause(proxy.settings()), proxy.settings().max_head)
        };
        let service = service_fn(move |request: Request<Incoming>| {
            let this = Rc::clone(&self);
            async move {
                #[cfg(feature = "grpc")]
                if grpc::is_called(&request) {
                    let proxy = this.current.proxy();
                    let may_ask = this.callers.may_ask(proxy.policy(), request.headers());
                    let answer = grpc::answer(proxy, request, peer.to_canonical(), may_ask).await;
                    return Ok(answer.map(Body::Right));
                }
                let (mut head, mut body) = request.into_parts();
                let mut answer = this.answer(&mut head, &mut body, peer).await;
                // nginx announces the body of the original request, and never sends it.
                let is_last = this.draining.has_begun() || !body.is_end_stream();
                if head.version < Version::HTTP_2 && is_last {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer.map(of_bytes))
            }
        });
        let mut builder = auto::Builder::new(OnThisThread);
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_buf_size(MIN_BUFFER.max(max_head as usize));
        builder.http2().max_header_list_size(max_head);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            served = connection.as_mut() => return served,
            // A proxy may be asking right now: closed at once, it would have to fail its client's request.
            () = draining.over(last) => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    async fn answer(&self, head: &mut Parts, body: &mut Incoming, peer: IpAddr) -> Response<Bytes> {
        let proxy = self.current.proxy();
        if !self.callers.may_ask(proxy.policy(), &head.headers) {
            return callers::unknown();
        }
        match json::Endpoint::of(head.uri.path()) {
            Some(endpoint) => {
                let deciding = Deciding { proxy, permits: Arc::clone(&self.permits), caller: peer };
                deciding.answer(endpoint, head, body).await
            }
            None => proxies::answer(&proxy, head).await,
        }
    }
}

/// The body of an answer, which is of gRPC on the right.
#[cfg(feature = "grpc")]
type Body = http_body_util::Either<Full<Bytes>, tonic::body::Body>;
#[cfg(not(feature = "grpc"))]
type Body = Full<Bytes>;

#[cfg(feature = "grpc")]
fn of_bytes(bytes: Bytes) -> Body {
    Body::Left(Full::new(bytes))
}

#[cfg(not(feature = "grpc"))]
fn of_bytes(bytes: Bytes) -> Body {
    Full::new(bytes)
}

/// Runs what belongs to a connection on its own thread.
#[derive(Clone, Copy)]
struct OnThisThread;

impl<F: Future<Output = ()> + 'static> Executor<F> for OnThisThread {
    fn execute(&self, task: F) {
        drop(spawn_local(task));
    }
}

/// Hyper takes no smaller bound of what it reads of a request before it knows the whole head.
const MIN_BUFFER: usize = 8 * 1024;

/// The time that a connection may be idle. It is above the hour after which Envoy closes its own: a proxy that sends a
/// request just when its connection is closed has to fail it.
pub(super) const IDLE: Duration = Duration::from_secs(65 * 60);
