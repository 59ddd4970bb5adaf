//! Counting the tokens of requests before they are decided: the upstream is asked, or the model's own tokenizer counts.

use std::{cell::Cell, fmt, future::poll_fn, pin::Pin, time::Duration};

use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_TYPE},
    request::Parts,
};
use http_body::Body as _;
use sluicegate_policy::{CountRequest, Counting, InputCount, Meter, RouteId, Tokenization};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};

use crate::{
    request::{
        body::{CutOff, RequestBody, UpstreamBody},
        forward::Peer,
        framing,
        proxy::Proxy,
    },
    upstream::{Answered, SendError},
};

/// The counts of input that one worker has on one route.
///
/// An upstream that does not count, or too late, is left alone for a while, in which estimates take the place of counts.
pub(crate) struct InputCounter {
    timeout: Duration,
    /// The place, among the endpoints that a server may have, of the one that has counted.
    known: Cell<Option<usize>>,
    rests_until: Cell<Option<Instant>>,
    /// The requests that are waiting for a count.
    waiting: Cell<usize>,
    warned: Cell<Option<Instant>>,
}

/// A request whose input is to be counted.
#[derive(Clone, Copy)]
pub(crate) struct Counted<'r> {
    pub(crate) route: RouteId,
    pub(crate) head: &'r Parts,
    pub(crate) peer: &'r Peer,
}

/// The reason that there is no count.
enum Failure {
    Late,
    /// The server has no such endpoint.
    Absent,
    /// It answers, but with no count.
    Unreadable,
    Status(StatusCode),
    Unsent(SendError),
    Broken(CutOff),
}

impl InputCounter {
    /// A counter for a route with this meter, if that says so.
    pub(crate) fn of(meter: &Meter) -> Option<Self> {
        meter.counts_input().then(|| Self {
            timeout: meter.input_count().map_or(InputCount::TIMEOUT, InputCount::timeout),
            known: Cell::default(),
            rests_until: Cell::default(),
            waiting: Cell::default(),
            warned: Cell::default(),
        })
    }

    /// Counts the tokens of a request's input. `None` if they are not counted in time. Dropping the future closes the connection
    /// on which the upstream is asked.
    pub(crate) async fn count(&self, proxy: &Proxy, request: Counted<'_>, counting: Counting) -> Option<u64> {
        match counting {
            Counting::Upstream(asking) => self.counted_by_upstream(proxy, request, &asking).await,
            Counting::Tokenizer(tokenization) => {
                let tokens = self.tokenize(tokenization).await;
                proxy.metrics().route(request.route).count_input(tokens.is_some());
                tokens
            }
        }
    }

    /// Lets the tokenizer count beside the thread that serves requests. It cannot be stopped, so what it counts is bounded.
    async fn tokenize(&self, tokenization: Tokenization) -> Option<u64> {
        if tokenization.bytes() > LARGEST_TOKENIZED || self.waiting.get() >= MOST_TOKENIZING {
            return None;
        }
        let _waiting = Waiting::new(&self.waiting);
        spawn_blocking(move || tokenization.count()).await.ok()?
    }

    async fn counted_by_upstream(
        &self,
        proxy: &Proxy,
        request: Counted<'_>,
        asking: &CountRequest,
    ) -> Option<u64> {
        let metrics = proxy.metrics().route(request.route);
        let is_resting = self.rests_until.get().is_some_and(|until| Instant::now() < until);
        let failure = if is_resting || self.waiting.get() >= MOST_WAITING {
            None
        } else {
            let _waiting = Waiting::new(&self.waiting);
            match timeout(self.timeout, self.ask(proxy, request, asking)).await {
                Ok(Ok(tokens)) => {
                    metrics.count_input(true);
                    return Some(tokens);
                }
                Ok(Err(failure)) => Some(failure),
                Err(_) => Some(Failure::Late),
            }
        };
        metrics.count_input(false);
        if let Some(failure) = failure {
            self.rest(&failure);
            self.warn(&failure, &metrics.name);
        }
        None
    }

    async fn ask(&self, proxy: &Proxy, request: Counted<'_>, asking: &CountRequest) -> Result<u64, Failure> {
        let endpoints = asking.endpoints();
        let first = self.known.get().unwrap_or_default();
        let mut failure = Failure::Absent;
        for turn in 0..endpoints.len() {
            let place = (first + turn) % endpoints.len();
            match self.ask_at(proxy, request, &endpoints[place], asking).await {
                Ok(tokens) => {
                    self.known.set(Some(place));
                    return Ok(tokens);
                }
                Err(found @ (Failure::Absent | Failure::Unreadable)) => failure = found,
                Err(failed) => return Err(failed),
            }
        }
        Err(failure)
    }

    async fn ask_at(
        &self,
        proxy: &Proxy,
        request: Counted<'_>,
        endpoint: &str,
        asking: &CountRequest,
    ) -> Result<u64, Failure> {
        // With all that the client has sent of itself, such as its key for the upstream.
        let mut head = request.head.clone();
        head.uri = endpoint.parse().map_err(|_| Failure::Absent)?;
        proxy.forward.request(&mut head, request.peer);
        let forwarding = proxy.policy().routes.get(request.route).forwarding();
        for name in forwarding.removed_headers.iter().map(http::HeaderName::as_str).chain([IDEMPOTENCY_KEY]) {
            head.headers.remove(name);
        }
        head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = RequestBody::Read(Some(asking.body().clone()));
        framing::request(&mut head.headers, &body);
        let mut request_of_count = Request::new(body);
        *request_of_count.method_mut() = Method::POST;
        *request_of_count.uri_mut() = head.uri;
        *request_of_count.headers_mut() = head.headers;

        // Their own time is longer, so that a late count is no failure of the upstream.
        let timeouts = proxy.timeouts(request.route);
        let answered = proxy.upstreams.send(&mut request_of_count, timeouts, None).await;
        let Answered { response, mut exchange } = answered.map_err(Failure::Unsent)?;
        let (head, body) = response.into_parts();
        let answer = read(body, asking.most_bytes()).await?;
        exchange.finish();
        match head.status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Err(Failure::Absent)
            }
            status if status.is_success() => CountRequest::tokens(&answer).ok_or(Failure::Unreadable),
            status => Err(Failure::Status(status)),
        }
    }

    /// Leaves the upstream alone for a while, unless the client may have caused the failure: a model that does not exist is a
    /// 404, too.
    fn rest(&self, failure: &Failure) {
        let rest = match failure {
            Failure::Absent | Failure::Unreadable if self.known.get().is_none() => ABSENT_REST,
            Failure::Absent | Failure::Unreadable => return,
            Failure::Status(status) if status.is_client_error() => return,
            Failure::Status(_) | Failure::Late | Failure::Unsent(_) | Failure::Broken(_) => REST,
        };
        self.rests_until.set(Some(Instant::now() + rest));
    }

    fn warn(&self, failure: &Failure, route: &str) {
        let now = Instant::now();
        if self.warned.get().is_none_or(|warned| now.duration_since(warned) >= WARNING_INTERVAL) {
            self.warned.set(Some(now));
            tracing::warn!(route, reason = %failure, "input is estimated, because the upstream does not count it");
        }
    }
}

/// Reads an answer of at most so many bytes.
async fn read(mut body: UpstreamBody, most: usize) -> Result<Vec<u8>, Failure> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.map_err(Failure::Broken)?.into_data() {
            if read.len() + data.len() > most {
                return Err(Failure::Unreadable);
            }
            read.extend_from_slice(&data);
        }
    }
    Ok(read)
}

/// Counts itself while it lives.
struct Waiting<'c>(&'c Cell<usize>);

impl<'c> Waiting<'c> {
    fn new(waiting: &'c Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("it takes longer than count_timeout"),
            Self::Absent => f.write_str("it has no such endpoint; name the right one with `count`"),
            Self::Unreadable => f.write_str("its answer has no count; name the right endpoint with `count`"),
            Self::Status(status) => write!(f, "it answers with {status}"),
            Self::Unsent(error) => error.fmt(f),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

/// The most requests that wait for a count at a time, so that a crowd of them does not become a crowd of counts. The others are
/// estimated.
const MOST_WAITING: usize = 64;
/// The most requests that a tokenizer counts at a time, for one worker and route. The others are estimated.
const MOST_TOKENIZING: usize = 4;
/// The largest body in bytes whose texts a tokenizer counts, which takes a microsecond or two for each byte.
const LARGEST_TOKENIZED: usize = 64 * 1024;
/// The time for which an upstream is left alone that fails or is late.
const REST: Duration = Duration::from_secs(1);
/// The time for which an upstream is left alone that seems to have no endpoint.
const ABSENT_REST: Duration = Duration::from_secs(10);
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// A server that has counted under a client's key would answer the request itself with the count.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
