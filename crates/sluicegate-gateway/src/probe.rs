//! Asking an upstream how it is.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sluicegate_policy::Upstream;
use tokio::time::timeout;

use crate::dial::Dialer;

/// Why there was no answer.
pub(crate) type Unanswered = Box<dyn std::error::Error + Send + Sync>;

/// Gets `path` over a connection of its own, and gives the status.
///
/// # Errors
///
/// Whatever kept the answer from coming within `patience`.
pub(crate) async fn probe(
    dialer: &Dialer,
    upstream: &Upstream,
    path: &str,
    patience: Duration,
) -> Result<StatusCode, Unanswered> {
    timeout(patience, ask(dialer, upstream, path)).await.map_err(|_| "it takes too long to answer")?
}

async fn ask(dialer: &Dialer, upstream: &Upstream, path: &str) -> Result<StatusCode, Unanswered> {
    let request = Request::get([upstream.base(), path].concat())
        .header(HOST, upstream.authority())
        .body(Empty::<Bytes>::new())?;
    let stream = dialer.dial(upstream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let response = sender.send_request(request);
    tokio::select! {
        response = response => Ok(response?.status()),
        ended = connection => Err(ended.err().map_or_else(|| "closed without an answer".into(), Into::into)),
    }
}
