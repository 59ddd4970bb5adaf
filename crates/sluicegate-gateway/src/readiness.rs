//! Asking a warming upstream whether it is ready.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sluicegate_policy::Upstream;
use tokio::{
    net::TcpStream,
    time::{MissedTickBehavior, interval, timeout},
};

/// Asks `path` on every upstream every second until one answers 200.
pub(crate) async fn until_one_is_ready(upstreams: &[Upstream], path: &str) {
    let mut asking: Vec<_> = upstreams.iter().map(|upstream| Box::pin(until_ready(upstream, path))).collect();
    poll_fn(|cx| match asking.iter_mut().any(|one| one.as_mut().poll(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

async fn until_ready(upstream: &Upstream, path: &str) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        match timeout(PATIENCE, ask(upstream, path)).await {
            Ok(Ok(StatusCode::OK)) => return,
            Ok(Ok(status)) => tracing::debug!(%upstream, %status, "the upstream warms up"),
            Ok(Err(error)) => tracing::debug!(%upstream, %error, "the upstream does not answer yet"),
            Err(_) => tracing::debug!(%upstream, "the upstream takes too long to say whether it is ready"),
        }
    }
}

async fn ask(
    upstream: &Upstream,
    path: &str,
) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let request = Request::get([upstream.base(), path].concat())
        .header(HOST, upstream.authority())
        .body(Empty::<Bytes>::new())?;
    let stream = TcpStream::connect((upstream.host(), upstream.port())).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let response = sender.send_request(request);
    tokio::select! {
        response = response => Ok(response?.status()),
        ended = connection => Err(ended.err().map_or_else(|| "closed without an answer".into(), Into::into)),
    }
}

/// Between two questions.
const PACE: Duration = Duration::from_secs(1);

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);
