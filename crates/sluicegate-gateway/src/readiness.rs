//! Asking warming upstreams whether they are ready.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use sluicegate_policy::Upstream;

use crate::{dial::Dialer, pace::every, probe::probe};

/// Asks `path` on every upstream every second until one answers with 2xx.
pub(crate) async fn until_one_is_ready(dialer: &Dialer, upstreams: &[Upstream], path: &str) {
    let mut asking: Vec<_> =
        upstreams.iter().map(|upstream| Box::pin(until_ready(dialer, upstream, path))).collect();
    poll_fn(|cx| {
        if asking.iter_mut().any(|one| one.as_mut().poll(cx).is_ready()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn until_ready(dialer: &Dialer, upstream: &Upstream, path: &str) {
    let mut pace = every(PACE);
    loop {
        pace.tick().await;
        match probe(dialer, upstream, path, PATIENCE).await {
            Ok(status) if status.is_success() => return,
            Ok(status) => tracing::debug!(%upstream, %status, "the upstream warms up"),
            Err(error) => tracing::debug!(%upstream, %error, "the upstream does not answer yet"),
        }
    }
}

/// Between two questions.
const PACE: Duration = Duration::from_secs(1);

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);
