//! Envoy's rate limit service, version 3, over gRPC.

mod answer;
mod descriptor;
mod messages;

use std::{net::IpAddr, rc::Rc};

use futures_util::future::LocalBoxFuture;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use sluicegate_policy::{Descriptor, RequestId, Together};
use tokio::time::timeout;
use tonic::{
    Status,
    body::Body,
    server::{Grpc, UnaryService},
};
use tonic_prost::ProstCodec;

use self::{
    answer::Answer,
    descriptor::{Described, Purpose},
    messages::{RateLimitRequest, RateLimitResponse},
};
use super::callers::NO_TOKEN;
use crate::request::proxy::Proxy;

/// Returns `true` for a call of the service.
pub(super) fn is_called<B>(request: &Request<B>) -> bool {
    request.uri().path() == Descriptor::PATH
}

/// Answers a call of the service. `may_ask` tells if the caller is known.
pub(super) async fn answer(
    proxy: Rc<Proxy>,
    request: Request<Incoming>,
    peer: IpAddr,
    may_ask: bool,
) -> Response<Body> {
    if request.version() < Version::HTTP_2 || request.method() != Method::POST || !is_grpc(request.headers())
    {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    if !may_ask {
        return Status::unauthenticated(NO_TOKEN.trim_end()).into_http();
    }
    let bound = proxy.settings().header_timeout;
    let mut grpc = Grpc::new(ProstCodec::<RateLimitResponse, RateLimitRequest>::default())
        .max_decoding_message_size(MOST_BYTES);
    let late = |_| Status::deadline_exceeded("the call did not arrive as a whole").into_http();
    timeout(bound, grpc.unary(Service { proxy, peer }, request)).await.unwrap_or_else(late)
}

/// The service for one call.
struct Service {
    proxy: Rc<Proxy>,
    /// The address of Envoy.
    peer: IpAddr,
}

impl UnaryService<RateLimitRequest> for Service {
    type Response = RateLimitResponse;
    type Future = LocalBoxFuture<'static, Result<tonic::Response<RateLimitResponse>, Status>>;

    fn call(&mut self, request: tonic::Request<RateLimitRequest>) -> Self::Future {
        let (proxy, peer) = (Rc::clone(&self.proxy), self.peer);
        Box::pin(async move { decide(&proxy, request.into_inner(), peer).await.map(tonic::Response::new) })
    }
}

/// Decides a call: takes the charges of all its descriptors, or none.
async fn decide(proxy: &Proxy, call: RateLimitRequest, peer: IpAddr) -> Result<RateLimitResponse, Status> {
    if call.domain.is_empty() {
        return Err(Status::invalid_argument("the call has no domain"));
    }
    let descriptors = call.descriptors.len();
    if !(1..=MOST_DESCRIPTORS).contains(&descriptors) {
        let message = format!("the call has {descriptors} descriptors; send 1 to {MOST_DESCRIPTORS}");
        return Err(Status::invalid_argument(message));
    }
    let (policy, admission) = (proxy.policy(), &proxy.serving.admission);
    let described = Described::all(policy, call, peer);
    let mut answer = Answer::new(policy, admission.renderer(), descriptors);
    let mut outcomes = Vec::with_capacity(described.len());
    let (mut entries, mut afterwards) = (Vec::new(), Vec::new());
    for described in &described {
        let Described { route, head, entries: described_by, client, hits, .. } = described;
        let hints = described_by.hints(policy, *route, *hits);
        match admission.enter_route(*route, head, *client, hints).await {
            Ok(entry) if described.purpose == Purpose::Admission => entries.push((described, entry)),
            Ok(entry) => afterwards.push((described, entry)),
            Err(rejection) => outcomes.push((described, Together::Rejected(rejection))),
        }
    }
    // Of a call with one that may not enter, no limit is asked.
    if outcomes.is_empty() {
        let (asked, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        outcomes = asked.into_iter().zip(admission.decide_together(entries).await).collect();
    }
    let mut rejections = Vec::new();
    for (described, outcome) in &outcomes {
        answer.add(described, outcome);
        if let Together::Rejected(rejection) = outcome {
            let id = RequestId::of(&described.head.headers);
            proxy.log(rejection, &id);
            rejections.push((*described, rejection, id));
        }
    }
    for (described, entry) in afterwards {
        let done = match described.purpose {
            // What has happened is charged, whatever the others are told.
            Purpose::Charge => entry.charge_actual().await.map(Some),
            Purpose::Refund if rejections.is_empty() => entry.refund().await.map(|()| None),
            Purpose::Refund | Purpose::Admission => Ok(None),
        };
        match done {
            Ok(Some(pass)) => answer.add(described, &Together::Admitted(pass)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "hits that have happened are not charged, or given back");
                return Err(Status::unavailable("the store does not respond"));
            }
        }
    }
    Ok(if rejections.is_empty() { answer.allowed() } else { answer.denied(&rejections) })
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(header::HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind == b"application/grpc" || kind == b"application/grpc+proto")
}

/// The longest message. A descriptor has some hundred bytes.
const MOST_BYTES: usize = 64 * 1024;

/// The most descriptors of a call: each takes charges of its own.
const MOST_DESCRIPTORS: usize = 64;
