//! A request of HTTP/2 from its head to the end of its response.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{
    Method, Request, Response,
    header::{CONTENT_LENGTH, DATE, EXPECT},
    request, response,
};
use http_body::Body as _;

use super::{Liveness, delivery::deliver, reset_budget::OpenRequest, tunnel::Duplex};
use crate::{
    client::client_timeouts::Busy,
    request::{
        body::{AnswerBody, ClientBody},
        date,
        forward::Peer,
        framing,
        interim::Interims,
        proxy::Proxy,
    },
    upgrade::{Extended, Switch, Tunnel},
};

/// A request that has arrived, and the way to answer it.
pub(super) struct Call {
    pub(super) proxy: Rc<Proxy>,
    pub(super) peer: Rc<Peer>,
    /// Of the connection.
    pub(super) liveness: Liveness,
    /// Maximum time for which the client may keep its response waiting.
    pub(super) stall: Duration,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) open_request: OpenRequest,
    pub(super) _busy: Busy,
}

impl Call {
    /// Serves the request, and sends the response, unless the client gives it up.
    pub(super) async fn answer(mut self, mut request: Request<RecvStream>) {
        let is_connect = request.method() == Method::CONNECT;
        let extended = Extended::asked_by(&mut request);
        let (mut head, incoming) = request.into_parts();
        let waits = waits_for_invitation(&head) && !incoming.is_end_stream();
        let interims = (waits || self.proxy.settings().interim_responses).then(Interims::default);
        // The bytes of a tunnel are not a body.
        let (body, tunnelled) = if is_connect {
            (ClientBody::none(), Some(incoming))
        } else {
            let length = framing::announced(&head.headers);
            (ClientBody::http2(incoming, length, interims.clone().filter(|_| waits)), None)
        };
        let (proxy, peer, switch) = (Rc::clone(&self.proxy), Rc::clone(&self.peer), Switch::default());
        // Pinned here, because it is large: wherever it was moved, there would be room for it twice.
        let serving = pin!(proxy.serve(&mut head, body, &peer, &switch, interims.as_ref()));
        let Some(mut response) = self.attend(serving, interims.as_ref()).await else { return };
        let tunnel = extended.and_then(|extended| extended.answer(&mut response, switch.take()));
        let (head, body) = response.into_parts();
        match (tunnel, tunnelled) {
            // Boxed, because it is rare and large.
            (Some(tunnel), Some(incoming)) => Box::pin(self.carry(head, tunnel, incoming)).await,
            _ => pin!(self.send(head, body)).await,
        }
    }

    /// Waits for a response, and sends interim ones meanwhile. None if the client gives the request up.
    async fn attend(
        &mut self,
        mut serving: Pin<&mut impl Future<Output = Response<AnswerBody>>>,
        interims: Option<&Interims>,
    ) -> Option<Response<AnswerBody>> {
        let mut attends = false;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(response) = serving.as_mut().poll(cx) {
                    return Poll::Ready(Some(response));
                }
                if self.respond.poll_reset(cx).is_ready() {
                    return Poll::Ready(None);
                }
                let Some(interims) = interims else { return Poll::Pending };
                if !std::mem::replace(&mut attends, true) {
                    interims.attend(cx);
                }
                if !interims.is_waiting() {
                    return Poll::Pending;
                }
                for interim in interims.take() {
                    // A client that does not read them does without.
                    if !self.liveness.is_blocked() {
                        // If it is not taken, the stream is over, which is noticed above.
                        let _ = self.respond.send_informational(interim);
                    }
                }
            }
        })
        .await
    }

    /// Sends a response to its end.
    async fn send(mut self, mut head: response::Parts, body: AnswerBody) {
        let is_whole = body.is_end_stream();
        if is_whole {
            self.open_request.ended();
        }
        head.headers.entry(DATE).or_insert_with(date::now);
        if !is_whole && let Some(length) = body.size_hint().exact() {
            head.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        let Some(to) = self.begin(head, is_whole) else { return };
        if !is_whole && let Err(error) = deliver(body, to, self.stall, &mut self.open_request).await {
            tracing::debug!(%error, "a response ended early");
        }
    }

    /// Turns the stream into the tunnel to which the upstream has agreed.
    async fn carry(mut self, mut head: response::Parts, tunnel: Tunnel, incoming: RecvStream) {
        // It is no request any more that could be given up.
        self.open_request.ended();
        head.headers.entry(DATE).or_insert_with(date::now);
        let Some(to) = self.begin(head, false) else { return };
        if let Err(error) = tunnel.run(Duplex::new(incoming, to), Bytes::new()).await {
            tracing::debug!(%error, "a WebSocket ended early");
        }
    }

    /// Sends the head of the response. None if the stream is over.
    fn begin(&mut self, head: response::Parts, is_whole: bool) -> Option<SendStream<Bytes>> {
        let sent = self.respond.send_response(Response::from_parts(head, ()), is_whole);
        sent.inspect_err(|error| {
            tracing::debug!(%error, "a response cannot be sent");
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        })
        .ok()
    }
}

/// Returns `true` if the client waits for "100 Continue" before it sends the body.
fn waits_for_invitation(head: &request::Parts) -> bool {
    head.headers.get(EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
