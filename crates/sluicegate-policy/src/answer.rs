//! HTTP responses of the gate's outcomes. The gate itself makes none.

mod form;
mod grpc;
pub(crate) mod header_family;
mod headers;
mod problem;
pub(crate) mod request_id;
mod response_templates;
pub mod retry;
mod status;
mod stream_ending;
pub(crate) mod utc_time;
pub(crate) mod whole_seconds;

use std::{
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Response, request::Parts};
use sluicegate::{Balance, Charge, Store, Wait};
use smallvec::SmallVec;

use form::Kind;
use headers::LimitState;
use problem::Reply;
use response_templates::ResponseTemplates;

pub use form::Form;
pub use headers::LimitHeaders;
pub use stream_ending::StreamEnding;

use crate::{
    Cors, Denied, HeaderFamily, LimitId, Pass, Policy, Refusal, Rejection, RequestId, Responses, RouteId,
    decide::cors::CorsFields,
};

/// Renders the outcomes of one policy's gate as HTTP responses.
#[derive(Debug)]
pub struct Renderer {
    families: Vec<HeaderFamily>,
    /// The longest wait that a denial tells.
    longest_wait: Option<Duration>,
    cors: Option<Arc<Cors>>,
    templates: ResponseTemplates,
}

impl Renderer {
    /// The renderer for the outcomes of a gate with this policy.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let Responses { headers, retry_after_max } = &policy.responses;
        Self {
            families: headers.clone(),
            longest_wait: *retry_after_max,
            cors: policy.cors.clone(),
            templates: ResponseTemplates::of(policy),
        }
    }

    /// Returns the form in which the sender of this head expects an answer on this route.
    #[must_use]
    pub fn form(&self, head: &Parts, route: RouteId) -> Form {
        let cors = self.cors.as_ref().map(|cors| Arc::new(CorsFields::of(cors, head)));
        let tells_moments = self.families.iter().any(|family| family.tells_moments());
        Form {
            kind: Kind::of(head, self.templates.dialect(route)),
            cors,
            decided: tells_moments.then(SystemTime::now),
        }
    }

    /// Renders a rejection as the response to the request with this head and id.
    #[must_use]
    pub fn rejected(&self, rejection: &Rejection, head: &Parts, id: &RequestId) -> Response<Bytes> {
        let form = self.form(head, rejection.route());
        self.reply(rejection, head, Reply { form: &form, id, headers: HeaderMap::new() })
    }

    /// [`rejected`](Self::rejected) in the memory of the request's own fields, of which the head has none afterwards. Servers
    /// use the memory of a response's fields again for the next request, so that rejections allocate none.
    #[must_use]
    pub fn rejected_in_place(
        &self,
        rejection: &Rejection,
        head: &mut Parts,
        id: &RequestId,
    ) -> Response<Bytes> {
        let form = self.form(head, rejection.route());
        let mut headers = HeaderMap::new();
        // A preflight is answered by its head.
        if !matches!(rejection, Rejection::Preflight { .. }) {
            headers = mem::take(&mut head.headers);
            headers.clear();
        }
        self.reply(rejection, head, Reply { form: &form, id, headers })
    }

    fn reply(&self, rejection: &Rejection, head: &Parts, reply: Reply<'_>) -> Response<Bytes> {
        let Reply { form, id, .. } = reply;
        match rejection {
            Rejection::Denied(denied) => self.denied(denied, reply),
            Rejection::Refused(refused) => form.shared(problem::refused(&refused.refusal, reply)),
            Rejection::Preflight { .. } => match (&self.cors, &form.cors) {
                (Some(cors), Some(fields)) => cors.preflight_answer(head, fields, id),
                // No gate without `[cors]` answers preflights.
                _ => Response::new(Bytes::new()),
            },
        }
    }

    /// Renders a refusal, which may also be of a request that was admitted and cannot be served after all.
    #[must_use]
    pub fn refused(&self, refusal: &Refusal, form: &Form, id: &RequestId) -> Response<Bytes> {
        form.shared(problem::refused(refusal, Reply { form, id, headers: HeaderMap::new() }))
    }

    /// Returns the headers that tell an admitted client its limits.
    #[must_use]
    pub fn lines<S: Store>(&self, pass: &Pass<S>, form: &Form) -> LimitHeaders {
        let states = self.states(pass.limits(), pass.charges(), pass.balances());
        let policy =
            self.templates.policy_line(pass.route(), pass.tier()).filter(|_| pass.warmup().is_none());
        LimitHeaders::of(&self.families, &states, policy, form.decided).shared(form.cors.clone())
    }

    fn denied(&self, denied: &Denied, reply: Reply<'_>) -> Response<Bytes> {
        let states = self.states(denied.limits(), denied.charges(), denied.balances());
        let configured =
            denied.has_configured_quotas().then(|| self.templates.configured(denied.route(), denied.tier()));
        let wait = match (denied.wait(), self.longest_wait) {
            (Wait::For(wait), Some(longest)) => Wait::For(wait.min(longest)),
            (wait, _) => wait,
        };
        let form = reply.form;
        form.shared(problem::denied(denied, wait, &self.families, states, configured, reply))
    }

    /// Joins limits, charges and balances to the states that headers tell.
    fn states<'a>(
        &'a self,
        limits: &[LimitId],
        charges: &'a [Charge],
        balances: &'a [Balance],
    ) -> SmallVec<[LimitState<'a>; 2]> {
        let rows = limits.iter().zip(charges).zip(balances);
        rows.map(|((id, charge), balance)| LimitState {
            id: *id,
            name: self.templates.name(*id),
            quota: &charge.quota,
            cost: charge.cost,
            balance,
        })
        .collect()
    }
}
