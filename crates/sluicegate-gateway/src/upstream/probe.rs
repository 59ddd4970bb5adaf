//! Asking an upstream how it is.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, Version, header::HOST};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sluicegate_http::until_ready;
use sluicegate_policy::Upstream;
use tokio::time::timeout;

use crate::{
    io::interval::Tokio,
    upstream::dial::{Dialer, Offer, Wire},
};

/// The reason that there was no response.
pub(crate) type Unanswered = Box<dyn std::error::Error + Send + Sync>;

/// Gets `path` over a connection of its own, by the HTTP that requests go by, and gives the status.
///
/// # Errors
///
/// Whatever kept the answer from coming within `bound`.
pub(crate) async fn probe(
    dialer: &Dialer,
    upstream: &Upstream,
    path: &str,
    bound: Duration,
) -> Result<StatusCode, Unanswered> {
    timeout(bound, ask(dialer, upstream, path)).await.map_err(|_| "it takes too long to answer")?
}

async fn ask(dialer: &Dialer, upstream: &Upstream, path: &str) -> Result<StatusCode, Unanswered> {
    let path = [upstream.base(), path].concat();
    let host = upstream.told_host().map_or_else(|| upstream.authority(), str::to_owned);
    match dialer.dial(upstream, Offer::Any).await? {
        (wire, Version::HTTP_2) => {
            let scheme = if upstream.is_tls() { "https" } else { "http" };
            Box::pin(ask_by_http2(wire, Request::get(format!("{scheme}://{host}{path}")).body(())?)).await
        }
        (wire, _) => ask_by_http1(wire, Request::get(path).header(HOST, host).body(Empty::new())?).await,
    }
}

async fn ask_by_http1(wire: Wire, request: Request<Empty<Bytes>>) -> Result<StatusCode, Unanswered> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
    let response = sender.send_request(request);
    tokio::select! {
        response = response => Ok(response?.status()),
        ended = connection => Err(ended.err().map_or_else(|| CLOSED.into(), Into::into)),
    }
}

async fn ask_by_http2(wire: Wire, request: Request<()>) -> Result<StatusCode, Unanswered> {
    let (mut sender, connection) = h2::client::handshake(wire).await?;
    let (response, _) = sender.send_request(request, true)?;
    tokio::select! {
        response = response => Ok(response?.status()),
        ended = connection => Err(ended.err().map_or_else(|| CLOSED.into(), Into::into)),
    }
}

/// Asks `path` on every upstream every second until one answers with 2xx.
pub(crate) async fn until_one_is_ready(dialer: &Dialer, upstreams: &[Upstream], path: &str) {
    let until_ready = |upstream| until_ready(&Tokio, move || is_ready(dialer, upstream, path));
    let mut asking: Vec<_> = upstreams.iter().map(|upstream| Box::pin(until_ready(upstream))).collect();
    poll_fn(|cx| {
        if asking.iter_mut().any(|one| one.as_mut().poll(cx).is_ready()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn is_ready(dialer: &Dialer, upstream: &Upstream, path: &str) -> bool {
    match probe(dialer, upstream, path, TIMEOUT).await {
        Ok(status) if status.is_success() => return true,
        Ok(status) => tracing::debug!(%upstream, %status, "the upstream warms up"),
        Err(error) => tracing::debug!(%upstream, %error, "the upstream does not answer yet"),
    }
    false
}

/// For one answer of an upstream that warms up.
const TIMEOUT: Duration = Duration::from_secs(5);

const CLOSED: &str = "closed without an answer";
