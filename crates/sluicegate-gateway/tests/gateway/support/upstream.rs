//! An upstream server that tests script.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{
    BodyExt, Full,
    channel::{Channel, Sender},
    combinators::BoxBody,
};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

use super::Port;

/// `/echo` returns the body (`/echo/trailers` its trailers, too), `/seen` the head that arrived, `/stream`
/// the test's own pieces, `/hang` nothing once it has read the body, `/nothing` a 204 and `/port` the
/// upstream's port. `/break` closes, and `/early` responds with 413 without reading the body. The same below
/// `/read`, `/slot`, `/held`, `/short`, `/tensors`, `/form` and `/free`.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    port: Port,
    streams: mpsc::UnboundedReceiver<Stream>,
    opened: mpsc::UnboundedSender<Stream>,
    counts: Arc<Counts>,
    serving: JoinHandle<()>,
}

/// The sending end of a `/stream` answer.
pub(crate) type Stream = Sender<Bytes, Infallible>;

#[derive(Default)]
struct Counts {
    port: u16,
    /// Of HTTP/2, and not HTTP/1.1: how many requests may run on one connection.
    streams: Option<u32>,
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
    running: AtomicUsize,
    /// The status of `/health`, 503 if it is 0.
    health: AtomicU16,
    health_checks: AtomicUsize,
    seen: Mutex<String>,
}

type Body = BoxBody<Bytes, hyper::Error>;

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::speaking(None).await
    }

    /// One that speaks HTTP/2, and lets so many requests run on one connection.
    pub(crate) async fn start_http2(streams: u32) -> Self {
        Self::speaking(Some(streams)).await
    }

    async fn speaking(streams: Option<u32>) -> Self {
        let port = Port::keep();
        let address = port.address;
        let counts = Arc::new(Counts { port: address.port(), streams, ..Counts::default() });
        let (opened, streams) = mpsc::unbounded_channel();
        let serving = tokio::spawn(serve(port.listen().await, Arc::clone(&counts), opened.clone()));
        Self { address, port, streams, opened, counts, serving }
    }

    /// Closes the listener and every connection. The port stays its own.
    pub(crate) async fn stop(&mut self) {
        self.serving.abort();
        let _ = super::soon(&mut self.serving).await;
    }

    /// Listens again at the same address.
    pub(crate) async fn start_again(&mut self) {
        self.serving =
            tokio::spawn(serve(self.port.listen().await, Arc::clone(&self.counts), self.opened.clone()));
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(SeqCst)
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.counts.open.load(SeqCst)
    }

    /// Requests that arrived so far.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(SeqCst)
    }

    /// Requests without an answer now.
    pub(crate) fn running(&self) -> usize {
        self.counts.running.load(SeqCst)
    }

    /// The head of the last request, a line per field.
    pub(crate) fn seen(&self) -> String {
        self.counts.seen.lock().expect("no test panics holding it").clone()
    }

    /// From now on `/health` answers 200; it answers 503 until then.
    pub(crate) fn become_ready(&self) {
        self.answer_health_checks(200);
    }

    /// From now on `/health` answers 503.
    pub(crate) fn become_unwell(&self) {
        self.answer_health_checks(503);
    }

    /// From now on `/health` answers with this status.
    pub(crate) fn answer_health_checks(&self, status: u16) {
        self.counts.health.store(status, SeqCst);
    }

    /// Requests to `/health` so far.
    pub(crate) fn health_checks(&self) -> usize {
        self.counts.health_checks.load(SeqCst)
    }

    /// The text that it sends for `/port`.
    pub(crate) fn port(&self) -> String {
        self.counts.port.to_string()
    }

    /// The URL by which metrics call it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.counts.streams.is_some() { "h2c" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The answer that the next request to `/stream` gets, to be sent by the test.
    pub(crate) async fn stream(&mut self) -> Stream {
        super::soon(self.streams.recv()).await.expect("the upstream runs")
    }
}

async fn serve(listener: TcpListener, counts: Arc<Counts>, opened: mpsc::UnboundedSender<Stream>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (counts, opened) = (Arc::clone(&counts), opened.clone());
        stream.set_nodelay(true).expect("it is open");
        connections.spawn(async move {
            let _open = Counted::new(&counts, |counts| &counts.open);
            counts.connections.fetch_add(1, SeqCst);
            let service = service_fn(|request| answer(request, Arc::clone(&counts), opened.clone()));
            let stream = TokioIo::new(stream);
            let _ = match counts.streams {
                None => http1::Builder::new().max_headers(1_000).serve_connection(stream, service).await,
                Some(streams) => {
                    let mut builder = http2::Builder::new(TokioExecutor::new());
                    builder.max_concurrent_streams(streams).serve_connection(stream, service).await
                }
            };
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    counts: Arc<Counts>,
    opened: mpsc::UnboundedSender<Stream>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let _running = Counted::new(&counts, |counts| &counts.running);
    counts.requests.fetch_add(1, SeqCst);
    *counts.seen.lock().expect("no test panics holding it") = head(&request);
    let prefixes = ["/read", "/slot", "/held", "/short", "/tensors", "/form", "/free"];
    let path = request.uri().path();
    let path = prefixes.iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path).to_owned();
    Ok(match path.as_str() {
        "/echo" => {
            let bytes = request.into_body().collect().await?.to_bytes();
            Response::new(full(bytes))
        }
        "/echo/chunked" => Response::new(request.into_body().boxed()),
        "/echo/trailers" => {
            let body = request.into_body().collect().await?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            let (mut sender, echo) = Channel::new(1);
            tokio::spawn(async move {
                let _ = sender.send_data(body.to_bytes()).await;
                let _ = sender.send_trailers(trailers).await;
            });
            let body = echo.map_err(|never: Infallible| match never {}).boxed();
            Response::builder().header("trailer", "x-sum").body(body).expect("valid")
        }
        "/stream" => {
            let (sender, body) = Channel::new(1);
            let _ = opened.send(sender);
            Response::builder()
                .header("content-type", "text/event-stream")
                .body(body.map_err(|never| match never {}).boxed())
                .expect("valid")
        }
        "/break" => return Err("the connection is closed without an answer".into()),
        "/hang" => {
            // Hyper notices that a client has left only once it has read the body.
            request.into_body().collect().await?;
            std::future::pending().await
        }
        "/early" => Response::builder().status(413).body(full("too much")).expect("valid"),
        "/health" => {
            counts.health_checks.fetch_add(1, SeqCst);
            let status = match counts.health.load(SeqCst) {
                0 => 503,
                status => status,
            };
            Response::builder().status(status).header("location", "/port").body(full("")).expect("valid")
        }
        "/port" => Response::new(full(counts.port.to_string())),
        "/nothing" => Response::builder().status(204).body(full("")).expect("valid"),
        "/id" => Response::builder().header("x-request-id", "the-models").body(full("ok")).expect("valid"),
        "/hops" => Response::builder()
            .header("connection", "x-mine, keep-alive")
            .header("x-mine", "secret")
            .header("keep-alive", "timeout=5")
            .header("x-yours", "kept")
            .body(full("ok"))
            .expect("valid"),
        _ => Response::new(full(head(&request))),
    })
}

fn head(request: &Request<Incoming>) -> String {
    let mut head = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    head
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// Counts itself while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(counts: &'a Counts, which: fn(&Counts) -> &AtomicUsize) -> Self {
        let count = which(counts);
        count.fetch_add(1, SeqCst);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
