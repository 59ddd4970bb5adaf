//! The life of one request.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::body::{AnswerBody, ClientBody, RequestBody, discard, read};
use crate::client::Unread;
use crate::forward::{self, Forward, Peer};
use crate::gate::{Answer, Gate, Pass, answer};
use crate::upstream::{Answered, SendError, Upstream};

/// What one worker needs to serve requests.
pub(crate) struct Proxy {
    pub(crate) gate: std::sync::Arc<Gate>,
    pub(crate) forward: Forward,
    pub(crate) upstream: Rc<Upstream>,
    pub(crate) idle_timeout: Duration,
}

/// A request on its way through; dropped when its answer has been sent or nobody wants it any more.
pub(crate) struct Running {
    _pass: Pass,
}

impl Proxy {
    /// Answers one request: with the upstream's answer, or with our own if it may not or cannot have one.
    pub(crate) async fn serve(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        unread: Unread,
    ) -> Response<AnswerBody> {
        let (mut head, incoming) = request.into_parts();
        let mut body = Some(ClientBody::new(incoming, unread));
        let awaits_go_ahead = head.headers.contains_key(EXPECT);
        match self.pass(&mut head, &mut body, peer).await {
            Ok((answered, running)) => self.relay(answered, running),
            Err(answer) => own(answer, body, awaits_go_ahead),
        }
    }

    /// Decides, and sends the request to the upstream. The body is left in `body` if nobody has taken it.
    async fn pass(
        &self,
        head: &mut Parts,
        body: &mut Option<ClientBody>,
        peer: &Peer,
    ) -> Result<(Answered, Running), Answer> {
        self.forward.normalize(head)?;
        let visit = self.gate.enter(head, peer.ip).await?;
        let read = match (visit.body_limit(), body.as_mut()) {
            (Some(limit), Some(body)) => Some(read(body, limit, self.idle_timeout).await?),
            _ => None,
        };
        let pass = self.gate.decide(&visit, head, read.as_ref()).await?;
        let body = match (read, body.take()) {
            (None, Some(body)) => RequestBody::Streamed(body, None),
            (read, _) => RequestBody::Read(read),
        };
        self.forward.request(head, peer);
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = std::mem::take(&mut head.uri);
        *request.headers_mut() = std::mem::take(&mut head.headers);
        match self.upstream.send(request).await {
            Ok(answered) if answered.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(answer(StatusCode::BAD_GATEWAY, "switching protocols unasked"))
            }
            Ok(answered) => Ok((answered, Running { _pass: pass })),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &SendError) -> Answer {
        tracing::warn!(%error, "no answer from the upstream");
        Answer::from(error)
    }

    fn relay(&self, answered: Answered, running: Running) -> Response<AnswerBody> {
        let Answered { response, exchange } = answered;
        let (mut head, incoming) = response.into_parts();
        forward::response(&mut head);
        running._pass.apply(&mut head.headers);
        Response::from_parts(head, AnswerBody::upstream(incoming, exchange, running))
    }
}

/// An answer of ours, beside which the rest of the request is forgotten.
fn own(answer: Answer, body: Option<ClientBody>, awaits_go_ahead: bool) -> Response<AnswerBody> {
    let mut response = answer.0.map(|bytes: Bytes| AnswerBody::Own(Some(bytes)));
    if body.is_some_and(|body| discard(body, awaits_go_ahead)) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
