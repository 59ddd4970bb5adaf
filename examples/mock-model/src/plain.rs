//! Plain responses: a document that comes when all its tokens are produced.

use std::future;
use std::io;

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::dialect::Dialect;
use crate::ledger::{Ended, Entry};
use crate::settings::{Failure, Settings};
use crate::socket::Reset;

/// Produces all tokens at their pace, and responds with them, or fails.
pub(crate) async fn respond(
    answer: &Answer,
    dialect: &dyn Dialect,
    settings: &Settings,
    mut entry: Entry,
    reset: Reset,
) -> Response {
    let whole = || Json(dialect.whole(answer)).into_response();
    for chunk in 0..answer.chunks() {
        if settings.fails_before(chunk) {
            return fail(whole(), dialect, settings.fail, entry, reset).await;
        }
        if chunk > 0 && settings.pause_ms > 0 {
            sleep(settings.pause()).await;
        }
        entry.produced(answer.tokens(chunk) * answer.candidates);
    }
    if settings.fails_before(answer.chunks()) {
        return fail(whole(), dialect, settings.fail, entry, reset).await;
    }
    entry.end(Ended::Complete);
    whole()
}

async fn fail(
    whole: Response,
    dialect: &dyn Dialect,
    failure: Failure,
    mut entry: Entry,
    reset: Reset,
) -> Response {
    match failure {
        Failure::Hang => future::pending().await,
        Failure::None | Failure::Error => {
            entry.end(Ended::Failed);
            let error = dialect.error(500, "the mock model failed, as it was told");
            (StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response()
        }
        Failure::End | Failure::Close | Failure::Reset => {
            entry.end(Ended::Failed);
            broken(whole, (failure == Failure::Reset).then_some(reset)).await
        }
    }
}

/// The first half of a response, whose connection then ends.
async fn broken(whole: Response, reset: Option<Reset>) -> Response {
    // A document of ours is in memory already.
    let Ok(mut bytes) = axum::body::to_bytes(whole.into_body(), usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let length = bytes.len();
    bytes.truncate(length / 2);
    let half = stream::once(future::ready(Ok(bytes)));
    let end = stream::once(async move {
        // The half is written first.
        yield_now().await;
        if let Some(reset) = reset {
            reset.arm();
        }
        Err::<Bytes, _>(io::Error::other("the mock model breaks off, as it was told"))
    });
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (CONTENT_LENGTH, length.to_string())];
    (headers, Body::from_stream(half.chain(end))).into_response()
}
