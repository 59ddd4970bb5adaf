//! Requests to an OpenTelemetry collector.

use std::time::Duration;

use bytes::Bytes;
use http::{
    Request, Response, StatusCode, Version,
    header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sluicegate_telemetry::otlp::MEDIA_TYPE;
use tokio::time::timeout;

use super::Wanted;
use crate::upstream::dial::Offer;

/// The reason that a collector did not accept a request.
#[derive(Debug)]
pub(super) enum Unaccepted {
    /// The same request may be accepted later: after this time, if the collector says so.
    Later(Option<Duration>, String),
    /// It will never accept this one.
    Never(String),
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Posts a message over a connection of its own, and returns the response's body.
///
/// # Errors
///
/// [`Unaccepted`], after ten seconds at most.
pub(super) async fn post(wanted: &Wanted, path: &str, message: Vec<u8>) -> Result<Bytes, Unaccepted> {
    let exchange = Box::pin(exchange(wanted, path, message));
    let response = match timeout(PATIENCE, exchange).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(Unaccepted::Later(None, error.to_string())),
        Err(_) => return Err(Unaccepted::Later(None, "it takes too long to answer".to_owned())),
    };
    let status = response.status();
    if status.is_success() {
        return Ok(response.into_body());
    }
    let reason = format!("it answers {status}");
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let seconds =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Err(Unaccepted::Later(seconds.map(Duration::from_secs), reason))
        }
        _ => Err(Unaccepted::Never(reason)),
    }
}

async fn exchange(wanted: &Wanted, path: &str, message: Vec<u8>) -> Result<Response<Bytes>, AnyError> {
    let Wanted { settings, dialer } = wanted;
    let (wire, version) = dialer.dial(&settings.endpoint, Offer::Http1).await?;
    debug_assert_eq!(version, Version::HTTP_11, "no other is offered");
    let mut request = Request::post([settings.endpoint.base(), path].concat())
        .header(HOST, settings.endpoint.authority())
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .header(USER_AGENT, concat!("sluicegate/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &settings.headers {
        request = request.header(name, value);
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
    let receive = async {
        let (head, body) =
            sender.send_request(request.body(Full::<Bytes>::from(message))?).await?.into_parts();
        let body = Limited::new(body, LONGEST_RESPONSE).collect().await?.to_bytes();
        Ok::<_, AnyError>(Response::from_parts(head, body))
    };
    let mut receive = std::pin::pin!(receive);
    tokio::select! {
        biased;
        response = &mut receive => response,
        ended = connection => {
            ended?;
            // What came before the end is still to be read.
            receive.await
        }
    }
}

/// For a connection, the request and the response.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the longest response that is read.
const LONGEST_RESPONSE: usize = 1 << 16;
