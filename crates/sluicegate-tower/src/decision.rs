//! The decision on one request.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH},
    request::Parts,
};
use http_body::Body;
use sluicegate_http::{Admitted, read};
use sluicegate_policy::{Reading, Refusal, Rejection, RequestId};

use crate::{
    RequestBody,
    limits::{Accounts, Limits, OwnedHints},
    running::Running,
    timer::Tokio,
};

/// A decision under way. Boxed, because it borrows from itself and has no name.
pub(crate) type Deciding<B> = Pin<Box<dyn Future<Output = Decided<B>> + Send>>;

/// The request for the inner service, or the response without it.
pub(crate) type Decided<B> = Result<(Request<RequestBody<B>>, Running), Response<Bytes>>;

/// Decides a request, and reads its body first where the decision needs it.
pub(crate) async fn decide<B>(limits: Arc<Limits>, request: Request<B>) -> Decided<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut head, mut body) = request.into_parts();
    let hints = limits.hints(&head);
    let decided = match limits.peer(&head, hints.as_ref()) {
        Some(peer) => limits.admit(&head, &mut body, peer, hints.as_ref()).await,
        None => Err(limits.admission().refuse(Refusal::NoClientAddress)),
    };
    match decided {
        Ok((admitted, reading)) => {
            let mut running = Running::new(admitted, limits);
            let held = reading.map(|reading| held(*reading, &mut running, &mut head.headers));
            if running.is_metered() {
                // Usage cannot be taken out of a coding.
                head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            head.extensions.insert(running.permit());
            Ok((Request::from_parts(head, RequestBody::new(held, body)), running))
        }
        Err(rejection) => Err(rejected(&limits, &rejection, &mut head)),
    }
}

impl Limits {
    async fn admit<B>(
        &self,
        head: &Parts,
        body: &mut B,
        peer: IpAddr,
        hints: Option<&OwnedHints>,
    ) -> Result<(Admitted<Accounts>, Option<Box<Reading>>), Rejection>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let admission = self.admission();
        let mut entry = match hints {
            None => admission.enter(head, peer).await?,
            Some(hints) => {
                let route = admission.gate().policy().routes.unmatched();
                admission.enter_route(route, head, peer, hints.borrowed()).await?
            }
        };
        let stall = self.stall(entry.route());
        let reading = entry
            .read(|mut reading| async move {
                read(body, &mut reading, &Tokio, stall).await?;
                Ok(reading)
            })
            .await?;
        let admitted = entry.decide(reading.as_deref()).await?;
        Ok((admitted, reading))
    }
}

/// The part of the body that was read, with a wish for the usage of its stream where the request has none.
fn held(reading: Reading, running: &mut Running, headers: &mut HeaderMap) -> Bytes {
    let held = reading.into_held();
    let Some(asking) = running.ask_for_usage(&held) else { return held };
    if let Some(length) = length(headers) {
        let length = length.saturating_sub(held.len()).saturating_add(asking.len());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    asking
}

fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn rejected(limits: &Limits, rejection: &Rejection, head: &mut Parts) -> Response<Bytes> {
    let id = RequestId::of(&head.headers);
    limits.tell_rejection(rejection, &id);
    let is_head = head.method == Method::HEAD;
    let mut response = limits.admission().renderer().rejected_in_place(rejection, head, &id);
    if is_head {
        // On a stream of HTTP/2, a body that was not asked for would be an error.
        let length = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        response.body_mut().clear();
    }
    response
}
