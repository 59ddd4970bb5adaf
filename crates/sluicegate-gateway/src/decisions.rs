//! Decisions for other proxies, which ask whether a request may pass and serve it themselves.

mod endpoint;
mod original;

use std::{
    cell::Cell, convert::Infallible, error::Error, net::SocketAddr, pin::pin, rc::Rc, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, request::Parts};
use http_body::Body as _;
use http_body_util::Full;
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use sluicegate_http::Metering;
use sluicegate_policy::{Refusal, Rejection, RequestId};
use subtle::ConstantTimeEq;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_local},
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

use self::{endpoint::Endpoint, original::TOKEN};
use crate::{
    io::{tcp, tls::Certificates},
    reload::current::Current,
    request::proxy::Proxy,
    threads::{
        accepting::accept,
        drain::{self, Draining, Stopped},
    },
};

/// One worker's decision server.
pub(crate) struct Decisions {
    current: Rc<Current>,
    /// By TLS, if given.
    certificates: Option<Certificates>,
    draining: Draining,
    /// The time of the last warning of a caller without the token.
    warned: Cell<Option<Instant>>,
}

impl Decisions {
    pub(crate) fn new(current: Rc<Current>, certificates: Option<Certificates>, draining: Draining) -> Self {
        Self { current, certificates, draining, warned: Cell::new(None) }
    }

    /// Answers proxies until the drain begins, then for as long as the gateway's own requests may finish.
    ///
    /// Returns the number of connections that had to be cut.
    pub(crate) async fn run(self, listener: TcpListener) -> usize {
        let this = Rc::new(self);
        let mut draining = this.draining.clone();
        let mut connections = JoinSet::new();
        let spawn = |connections: &mut JoinSet<()>, stream, _: SocketAddr| {
            // A proxy needs few. So many are of somebody else, or of a proxy that never closes any.
            if connections.len() < MOST_CONNECTIONS {
                let this = Rc::clone(&this);
                connections.spawn_local(async move { this.serve(stream).await });
            }
        };
        if let Err(Stopped) = accept(listener, &mut draining, &mut connections, spawn).await {
            return connections.len();
        }
        let drain_timeout = this.current.proxy().settings().drain_timeout;
        let finished = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            _ = timeout(drain_timeout, finished) => {}
            () = draining.stopped() => {}
        }
        connections.len()
    }

    async fn serve(self: Rc<Self>, stream: TcpStream) {
        if let Err(error) = self.begin(stream).await {
            tracing::debug!(error, "a proxy's connection ended early");
        }
    }

    async fn begin(self: Rc<Self>, stream: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
        tcp::prepare(&stream)?;
        let Some(certificates) = &self.certificates else { return self.converse(stream).await };
        let acceptor = TlsAcceptor::from(Arc::clone(&certificates.borrow()));
        let bound = self.current.proxy().settings().header_timeout;
        self.converse(timeout(bound, acceptor.accept(stream)).await??).await
    }

    async fn converse<S>(self: Rc<Self>, stream: S) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut draining = self.draining.clone();
        let last = drain::pause(self.current.proxy().settings());
        let service = service_fn(move |request: Request<Incoming>| {
            let this = Rc::clone(&self);
            async move {
                let (mut head, body) = request.into_parts();
                let mut answer = this.answer(&mut head).await;
                // nginx announces the body of the original request, and never sends it.
                let is_last = this.draining.has_begun() || !body.is_end_stream();
                if head.version < Version::HTTP_2 && is_last {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer.map(Full::new))
            }
        });
        let mut builder = auto::Builder::new(OnThisThread);
        builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            served = connection.as_mut() => return served,
            // A proxy may be asking right now: closed at once, it would have to fail its client's request.
            () = draining.over(last) => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    /// Decides about the request that a proxy describes.
    async fn answer(&self, head: &mut Parts) -> Response<Bytes> {
        let proxy = self.current.proxy();
        if !self.may_ask(&proxy, head) {
            let mut response = Response::new(Bytes::from_static(NO_TOKEN));
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            return response;
        }
        let Some(endpoint) = Endpoint::of(head.uri.path()) else {
            return proxy.refuse(Refusal::BadRequest(NO_ENDPOINT));
        };
        let header = proxy.settings().forwarded_header;
        let client = match original::restore(head, endpoint, header) {
            Ok(client) => client,
            Err(wrong) => return endpoint.rejected(proxy.refuse(Refusal::BadRequest(wrong))),
        };
        let id = RequestId::of(&head.headers);
        let admission = &proxy.serving.admission;
        let decided = async {
            let mut entry = admission.enter(head, client).await?;
            let reading = entry.read(async |_| Err(Refusal::BadRequest(NO_BODY))).await?;
            entry.decide(reading.as_deref()).await
        };
        match decided.await {
            Ok(admitted) => {
                let mut response = Response::new(Bytes::new());
                admission.renderer().lines(&admitted.pass, &admitted.form).move_to(response.headers_mut());
                // Nobody tells how the request ends, so it ends here: slots come back, and nothing waits to be settled.
                if let Err(error) =
                    admission.settle(admitted.pass, Metering::default(), admitted.logged.as_ref(), drop)
                {
                    tracing::warn!(%error, "a decision stays charged as estimated");
                }
                response
            }
            // The server that is asked for knows its pages.
            Err(Rejection::Preflight { .. }) => Response::new(Bytes::new()),
            Err(rejection) => {
                proxy.log(&rejection, &id);
                endpoint.rejected(admission.renderer().rejected(&rejection, head, &id))
            }
        }
    }

    /// Returns `true` if the policy wants no token, or a proxy has sent it.
    fn may_ask(&self, proxy: &Proxy, head: &Parts) -> bool {
        let wanted = proxy.policy().decisions.as_ref().and_then(|decisions| decisions.token.as_ref());
        let Some(wanted) = wanted else { return true };
        let sent = head.headers.get(TOKEN).map(HeaderValue::as_bytes).unwrap_or_default();
        // Takes the same time wherever they differ.
        if bool::from(sent.ct_eq(wanted.reveal().as_bytes())) {
            return true;
        }
        let now = Instant::now();
        if self.warned.get().is_none_or(|warned| now - warned >= WARNING_PAUSE) {
            self.warned.set(Some(now));
            tracing::warn!(
                "a caller of the decision server does not send the token of the policy's [decisions]"
            );
        }
        false
    }
}

/// Runs what belongs to a connection on its own thread.
#[derive(Clone, Copy)]
struct OnThisThread;

impl<F: Future<Output = ()> + 'static> Executor<F> for OnThisThread {
    fn execute(&self, task: F) {
        drop(spawn_local(task));
    }
}

/// Connections of one worker.
const MOST_CONNECTIONS: usize = 16 * 1024;

/// The time that a connection may be idle. It is above the hour after which Envoy closes its own: a proxy that sends a
/// request just when its connection is closed has to fail it.
const IDLE: Duration = Duration::from_secs(65 * 60);

/// The time between two warnings.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

const NO_TOKEN: &[u8] = b"send the token of the policy's [decisions] in the header Sluicegate-Token\n";
const NO_ENDPOINT: &str =
    "the decision server has no such path: ask at /auth-request, /forward-auth or below /ext-authz/";
const NO_BODY: &str = "this route counts what is in the body, and a decision sees only the head: send its requests through the gateway";
