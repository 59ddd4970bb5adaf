//! Decisions for programs in any language: `/take`, `/peek`, `/settle` and `/release`, in JSON.

mod answer;
mod asked;
mod call;
mod ending;
mod openapi;

use std::{net::IpAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE},
    request::Parts,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use sluicegate::SystemClock;
use sluicegate_http::{Admitted, InFlight};
use sluicegate_policy::{Counting, Policy, Rejection, RequestId};
use sluicegate_stores::AnyStore;
use tokio::{task::spawn_local, time::timeout};

use self::asked::Asked;
use super::permits::{Claim, Claimed, Held, Permits};
use crate::{
    explain::read,
    problem::Problem,
    request::{forward::Peer, input_counter::Counted, proxy::Proxy},
};

/// The endpoints for programs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Endpoint {
    /// Takes what a request costs, and holds its permit.
    Take,
    /// Tells what `/take` would answer.
    Peek,
    /// Ends a permit by what its request has used.
    Settle,
    /// Ends a permit whose request has never run.
    Release,
    /// Describes the others.
    Document,
}

impl Endpoint {
    const ALL: [(&'static str, Self); 5] = [
        ("/take", Self::Take),
        ("/peek", Self::Peek),
        ("/settle", Self::Settle),
        ("/release", Self::Release),
        ("/openapi.json", Self::Document),
    ];

    /// The endpoint at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == path).map(|(_, endpoint)| endpoint)
    }
}

/// The state by which a call is answered.
#[derive(Clone)]
pub(super) struct Deciding {
    pub(super) proxy: Rc<Proxy>,
    pub(super) permits: Arc<Permits<AnyStore, SystemClock>>,
    /// The address of the caller.
    pub(super) caller: IpAddr,
}

impl Deciding {
    /// Answers a call.
    pub(super) async fn answer(
        &self,
        endpoint: Endpoint,
        head: &Parts,
        body: &mut Incoming,
    ) -> Response<Bytes> {
        let answered = match (endpoint, &head.method) {
            (Endpoint::Document, &Method::GET) => return openapi::show(),
            (Endpoint::Document, _) => Err(wrong_method("GET")),
            (_, &Method::POST) => self.answer_call(endpoint, &head.headers, body).await,
            _ => Err(wrong_method("POST")),
        };
        match answered {
            Ok(answer) => answer::response(answer),
            Err(problem) => problem.response(),
        }
    }

    async fn answer_call(
        &self,
        endpoint: Endpoint,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Bytes, Problem> {
        let call = self.read(headers, body).await?;
        let answer = match endpoint {
            Endpoint::Take => match idempotency_key(headers)? {
                Some(key) => return self.take_once(key, call).await,
                None => self.take(&call).await,
            },
            Endpoint::Peek => self.peek(&call).await,
            Endpoint::Settle => ending::settle(&self.permits, &call).await,
            Endpoint::Release => ending::release(&self.permits, &call).await,
            Endpoint::Document => Err(wrong_method("GET")),
        };
        answer.map(|answer| Bytes::from(answer.to_string()))
    }

    /// Reads the body of a call.
    async fn read(&self, headers: &HeaderMap, body: &mut Incoming) -> Result<Bytes, Problem> {
        if !is_json(headers) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, NOT_JSON));
        }
        let settings = self.proxy.settings();
        // The body of the request, and its head.
        let most = settings.max_body.saturating_add(u64::from(settings.max_head));
        let limited = Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX));
        match timeout(settings.header_timeout, limited.collect()).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "The call is larger than {most} bytes, which gateway.max_body and gateway.max_head allow together: \
                     send the request through the gateway, or give its `cost` in place of its `body`"
                ),
            )),
            Ok(Err(_)) => {
                Err(Problem::bad_request("The body is malformed or ended early: send the call again"))
            }
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "The body stopped arriving: send the call again",
            )),
        }
    }

    /// Decides a call, unless another one with the same key has been answered with a permit.
    async fn take_once(&self, key: &[u8], call: Bytes) -> Result<Bytes, Problem> {
        loop {
            match self.permits.claim(key, &call) {
                Claimed::First(claim) => {
                    // It comes to its end even if the caller leaves, who may ask again.
                    let taking = self.clone().take_for(claim, call);
                    let unknown = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, BROKEN_OFF);
                    return spawn_local(taking).await.map_err(unknown)?;
                }
                Claimed::Again(answer) => {
                    // One that gave no permit has charged nothing.
                    if let Ok(answer) = answer.await {
                        return Ok(answer);
                    }
                }
                Claimed::Other => {
                    return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, OTHER_CALL));
                }
            }
        }
    }

    async fn take_for(self, claim: Claim, call: Bytes) -> Result<Bytes, Problem> {
        let answer = self.take(&call).await?;
        let is_allowed = answer["allowed"] == true;
        let answer = Bytes::from(answer.to_string());
        if is_allowed {
            claim.answer(answer.clone());
        }
        Ok(answer)
    }

    async fn take(&self, call: &[u8]) -> Result<Value, Problem> {
        let asked = self.asked(call)?;
        let decisions = self.policy().decisions.as_ref();
        let most = decisions.map_or(0, |decisions| decisions.max_permits.get());
        let place = self.permits.place(most).map_err(|full| ending::no_place(full, most))?;
        let admission = &self.proxy.serving.admission;
        // Boxed, because it is large.
        match Box::pin(self.decide(&asked)).await {
            Ok(admitted) => {
                let lease = asked.lease.or(decisions.map(|decisions| decisions.lease)).unwrap_or_default();
                let mut lines = HeaderMap::new();
                admission.renderer().lines(&admitted.pass, &admitted.form).move_to(&mut lines);
                let mut answer = answer::allowed(self.policy(), &admitted.pass, &lines);
                let (request, admission) = (InFlight::new(admitted), Arc::clone(admission));
                let permit = place.hold(Held { request, admission, lease });
                answer["permit"] = permit.to_string().into();
                answer["lease"] = lease.as_secs_f64().into();
                Ok(answer)
            }
            Err(rejection) => Ok(self.rejected(&asked, &rejection, |id| self.proxy.log(&rejection, id))),
        }
    }

    async fn peek(&self, call: &[u8]) -> Result<Value, Problem> {
        let asked = self.asked(call)?;
        let (gate, request) = (self.proxy.serving.admission.foresight(), &asked.request);
        let decided = async {
            let mut visit = gate.enter_with(&request.head, request.peer, asked.hints()).await?;
            let reading = visit.take_reading().map(|reading| read(reading, &request.body)).transpose();
            let reading = reading.map_err(|refusal| visit.refused(refusal))?;
            gate.decide(&visit, reading.as_deref()).await.into_result()
        };
        match Box::pin(decided).await {
            Ok(pass) => {
                let renderer = self.proxy.serving.admission.renderer();
                let mut lines = HeaderMap::new();
                renderer.lines(&pass, &renderer.form(&request.head, pass.route())).move_to(&mut lines);
                Ok(answer::allowed(self.policy(), &pass, &lines))
            }
            Err(rejection) => Ok(self.rejected(&asked, &rejection, |_| {})),
        }
    }

    fn asked(&self, call: &[u8]) -> Result<Asked, Problem> {
        Asked::read(call, self.caller, self.proxy.settings().max_headers)
    }

    /// Decides as the gateway does.
    async fn decide(&self, asked: &Asked) -> Result<Admitted<AnyStore>, Rejection> {
        let request = &asked.request;
        let admission = &self.proxy.serving.admission;
        let mut entry = admission.enter_with(&request.head, request.peer, asked.hints()).await?;
        let reading = entry.read(async |reading| read(reading, &request.body)).await?;
        let route = entry.route();
        if let Some(counter) = &self.proxy.input_counters[route.index()] {
            let peer = Peer::new(request.peer, "http");
            let count = async |counting| {
                let asks_upstream = matches!(counting, Counting::Upstream(_));
                if asks_upstream && self.proxy.settings().upstreams.is_empty() {
                    return None;
                }
                let counted = Counted { route, head: &request.head, peer: &peer };
                counter.count(&self.proxy, counted, counting).await
            };
            Box::pin(entry.count(reading.as_deref(), count)).await;
        }
        entry.decide(reading.as_deref()).await
    }

    fn rejected(&self, asked: &Asked, rejection: &Rejection, log: impl FnOnce(&RequestId)) -> Value {
        let head = &asked.request.head;
        let id = RequestId::of(&head.headers);
        log(&id);
        let response = self.proxy.serving.admission.renderer().rejected(rejection, head, &id);
        answer::rejected(self.policy(), rejection, &response)
    }

    fn policy(&self) -> &Policy {
        self.proxy.policy()
    }
}

/// Returns the key by which a caller tells that it repeats a call.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter().map(HeaderValue::as_bytes);
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None)
            if (1..=LONGEST_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) =>
        {
            Ok(Some(key))
        }
        _ => Err(Problem::bad_request(WRONG_KEY)),
    }
}

fn wrong_method(right: &'static str) -> Problem {
    let detail = format!("This path is asked by {right}: docs/decisions-api.md and /openapi.json say how");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, HeaderValue::from_static(right))
}

/// Reads a call.
fn parse<'b, T: Deserialize<'b>>(call: &'b [u8]) -> Result<T, Problem> {
    serde_json::from_slice(call)
        .map_err(|error| Problem::bad_request(format_args!("The call is wrong: {error}")))
}

/// Returns `true` if the body is JSON that nobody has compressed. A page of a browser cannot send this without being asked first
/// whether it may.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") && !headers.contains_key(CONTENT_ENCODING)
}

const NOT_JSON: &str =
    "The body must be JSON, without a Content-Encoding: send it with `Content-Type: application/json`";
const WRONG_KEY: &str =
    "Send one Idempotency-Key, of 1 to 255 visible ASCII characters, such as a random UUID";
const OTHER_CALL: &str = "This Idempotency-Key came with another call: use a new key for a new request, and repeat a call \
                          byte for byte";
const BROKEN_OFF: &str = "The gateway ends: ask another one, or this one when it is back";

/// draft-ietf-httpapi-idempotency-key-header.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 255;
