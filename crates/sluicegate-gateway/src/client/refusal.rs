//! Responses to malformed requests, which no library writes for us.

use std::{
    io::{self, Write as _},
    net::IpAddr,
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use sluicegate_policy::{GatewaySettings, Refusal};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{Bounds, Clients, stream::ClientStream};
use crate::request::{body::Unread, date};

impl Clients {
    /// Answers, in clear, a client that speaks TLS where it should not, or does not where it should.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub(super) async fn refuse_protocol<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        client: IpAddr,
        detail: &'static str,
        bounds: Bounds,
    ) -> io::Result<()> {
        tracing::info!(%client, detail, "refused a client that speaks another protocol than the port");
        let unread = Unread::default();
        // Whatever it has sent, and is sending, is not read.
        unread.mark();
        let answer = self.current.proxy().refuse(Refusal::BadRequest(detail));
        write(ClientStream::new(stream, unread, None), &answer, bounds.idle).await
    }

    /// Answers a head to which hyper would answer `status`, as all else that is refused, and closes the connection.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub(super) async fn refuse_head<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: ClientStream<S>,
        status: StatusCode,
        bound: Duration,
    ) -> io::Result<()> {
        let proxy = self.current.proxy();
        let answer = proxy.refuse(of_head(status, proxy.settings()));
        write(stream, &answer, bound).await
    }
}

/// The refusal of a head to which hyper answers `status`.
fn of_head(status: StatusCode, settings: &GatewaySettings) -> Refusal {
    match status {
        StatusCode::URI_TOO_LONG => Refusal::TargetTooLong,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Refusal::HeadTooLarge { limit: settings.max_head.into(), most: settings.max_headers }
        }
        _ => Refusal::BadRequest(
            "The head of the request is malformed: send a method, a target and fields as RFC 9112 has them",
        ),
    }
}

/// Writes an answer, and closes the connection once the client has had time to read it, or has not read it for `bound`.
///
/// # Errors
///
/// Those of the stream.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    stream: ClientStream<S>,
    answer: &Response<Bytes>,
    bound: Duration,
) -> io::Result<()> {
    let mut stream = TokioIo::new(stream);
    timeout(bound, async {
        stream.write_all(&written(answer)).await?;
        stream.flush().await
    })
    .await??;
    stream.shutdown().await
}

/// An answer after which the connection closes, as HTTP/1.1 has it.
fn written(answer: &Response<Bytes>) -> Vec<u8> {
    let (status, body) = (answer.status(), answer.body());
    let reason = status.canonical_reason().unwrap_or_default();
    let mut written = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in answer.headers() {
        written.extend_from_slice(name.as_str().as_bytes());
        written.extend_from_slice(b": ");
        written.extend_from_slice(value.as_bytes());
        written.extend_from_slice(b"\r\n");
    }
    // Writing to a vector cannot fail.
    let _ = write!(written, "content-length: {}\r\nconnection: close\r\ndate: ", body.len());
    written.extend_from_slice(date::now().as_bytes());
    written.extend_from_slice(b"\r\n\r\n");
    written.extend_from_slice(body);
    written
}
