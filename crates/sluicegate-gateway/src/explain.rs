//! The decision on a request that nobody sends, and the reasons for it. It is the gate's own, and spends nothing.

mod account;
pub(crate) mod json;
mod sample_request;
mod text;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use sluicegate::{Balance, Charge, Resilient};
use sluicegate_policy::{
    Gate, LimitId, Outcome, Policy, Progress, Reading, Refusal, Rejection, Renderer, RequestId, RouteId,
    TierId, TokenWeights, Usage, Visit,
};

pub use sample_request::{SampleError, SampleRequest};

use account::visible;

/// The decision of a gate on a request as it would be now, with everything that it depends on.
///
/// As text it is for people, and [`to_json`](Self::to_json) is for programs. No value of a header, a cookie or the query is in
/// it, so no secret that a request carries.
///
/// ```
/// # use sluicegate::{ManualClock, MemoryStore};
/// # use sluicegate_policy::{Gate, Policy, Source};
/// use sluicegate_gateway::{Explanation, SampleRequest};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let text = "[[route]]\npath = \"/predict\"\nlimits = [\"10/minute\"]";
/// let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
/// let gate = Gate::new(policy, MemoryStore::new(), ManualClock::new());
///
/// let request = SampleRequest::new("POST /predict", [], None, [192, 0, 2, 7].into())?;
/// let explanation = Explanation::of(&gate, &request).await;
/// assert_eq!(explanation.to_json()["limits"][0]["remaining"], 9);
/// assert_eq!(explanation.to_json()["outcome"], "admitted");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Explanation {
    request: String,
    route: String,
    caller: Caller,
    outcome: &'static str,
    /// The reason of a rejection, for programs.
    code: Option<&'static str>,
    /// The tokens that the request may use: input and output.
    tokens: Option<(u64, u64)>,
    limits: Vec<JudgedLimit>,
    /// Limits in shadow mode that would deny.
    denied_in_shadow: Vec<String>,
    response: Told,
}

/// The caller, as far as the gate found it out.
#[derive(Debug)]
struct Caller {
    client_ip: Option<String>,
    tenant: Option<String>,
    /// The id of the API key, never the key itself.
    api_key: Option<String>,
    tier: String,
}

/// A limit that judged the request.
#[derive(Debug)]
struct JudgedLimit {
    name: String,
    account: String,
    charge: Charge,
    balance: Balance,
}

/// The gateway's part of the response.
#[derive(Debug)]
struct Told {
    /// `None` if the upstream responds.
    status: Option<StatusCode>,
    headers: HeaderMap,
    body: Bytes,
}

impl Explanation {
    /// Decides a request as `gate` would now. Nothing is charged or remembered.
    ///
    /// Input that the route has counted by its upstream or by a tokenizer is estimated here.
    pub async fn of<S: Resilient>(gate: &Gate<S>, request: &SampleRequest) -> Self {
        let gate = gate.foresight();
        let told = Telling { policy: gate.policy(), request };
        let entered = match &request.descriptor {
            None => gate.enter(&request.head, request.peer).await,
            Some((domain, entries)) => match entries.route(told.policy, domain) {
                Some(route) => {
                    let hints = entries.hints(told.policy, route, 1);
                    gate.enter_route(route, &request.head, request.peer, hints).await
                }
                None => return told.unlimited(),
            },
        };
        let mut visit = match entered {
            Ok(visit) => visit,
            Err(rejection) => return told.rejected(None, &rejection),
        };
        let reading = match visit.take_reading().map(|reading| read(reading, &request.body)).transpose() {
            Ok(reading) => reading,
            Err(refusal) => return told.rejected(Some(&visit), &visit.refused(refusal)),
        };
        match gate.decide(&visit, reading.as_deref()).await {
            Outcome::Rejected(rejection) => told.rejected(Some(&visit), &rejection),
            Outcome::Admitted(pass) => {
                let renderer = Renderer::new(gate.policy());
                let form = renderer.form(&request.head, pass.route());
                let mut headers = HeaderMap::new();
                renderer.lines(&pass, &form).move_to(&mut headers);
                let shadow = pass.denied_in_shadow().iter();
                Self {
                    outcome: "admitted",
                    tokens: pass.reservation().map(|reservation| tokens(&reservation.usage())),
                    limits: told.limits(pass.limits(), pass.charges(), pass.balances()),
                    denied_in_shadow: shadow.map(|id| told.policy.limit(*id).name().to_owned()).collect(),
                    ..told.explanation(
                        Some(&visit),
                        pass.route(),
                        pass.tier(),
                        Told { status: None, headers, body: Bytes::new() },
                    )
                }
            }
        }
    }
}

/// Reads the body as the gate wants it.
pub(crate) fn read(mut reading: Box<Reading>, body: &Bytes) -> Result<Box<Reading>, Refusal> {
    if body.is_empty() || reading.take(body.clone())? == Progress::More {
        reading.end()?;
    }
    Ok(reading)
}

fn tokens(usage: &Usage) -> (u64, u64) {
    let weights = TokenWeights::default();
    (usage.input(&weights), usage.output(&weights))
}

/// Writes explanations of one request.
struct Telling<'a> {
    policy: &'a Policy,
    request: &'a SampleRequest,
}

impl Telling<'_> {
    fn rejected(&self, visit: Option<&Visit<'_>>, rejection: &Rejection) -> Explanation {
        let head = &self.request.head;
        let response = Renderer::new(self.policy).rejected(rejection, head, &RequestId::of(&head.headers));
        let (parts, body) = response.into_parts();
        let told = Told { status: Some(parts.status), headers: parts.headers, body };
        let explanation = self.explanation(visit, rejection.route(), rejection.tier(), told);
        let code = Some(rejection.code());
        match rejection {
            Rejection::Denied(denied) => Explanation {
                outcome: "denied",
                code,
                tokens: denied.usage().map(tokens),
                limits: self.limits(denied.limits(), denied.charges(), denied.balances()),
                ..explanation
            },
            Rejection::Refused(_) => Explanation { outcome: "refused", code, ..explanation },
            Rejection::Preflight { .. } => Explanation { outcome: "preflight", ..explanation },
        }
    }

    /// A descriptor that no route is for.
    fn unlimited(&self) -> Explanation {
        let (routes, tiers) = (&self.policy.routes, &self.policy.tiers);
        let nothing = Told { status: None, headers: HeaderMap::new(), body: Bytes::new() };
        let explanation = self.explanation(None, routes.unmatched(), tiers.default_tier(), nothing);
        Explanation { route: "none, so the descriptor is not limited".to_owned(), ..explanation }
    }

    fn explanation(
        &self,
        visit: Option<&Visit<'_>>,
        route: RouteId,
        tier: TierId,
        response: Told,
    ) -> Explanation {
        let caller = visit.map(Visit::caller);
        let api_key = caller.and_then(|caller| caller.api_key.as_deref());
        Explanation {
            request: self.request.line(),
            route: self.policy.routes.get(route).label().to_owned(),
            caller: Caller {
                client_ip: caller.map(|caller| caller.client.clone()),
                tenant: api_key.map(|key| key.tenant.clone()),
                api_key: api_key.map(|key| key.id.clone()),
                tier: self.policy.tiers.name(tier).to_owned(),
            },
            outcome: "admitted",
            code: None,
            tokens: None,
            limits: Vec::new(),
            denied_in_shadow: Vec::new(),
            response,
        }
    }

    fn limits(&self, limits: &[LimitId], charges: &[Charge], balances: &[Balance]) -> Vec<JudgedLimit> {
        let rows = limits.iter().zip(charges).zip(balances);
        rows.map(|((id, charge), balance)| JudgedLimit {
            name: self.policy.limit(*id).name().to_owned(),
            account: visible(&charge.key),
            charge: charge.clone(),
            balance: *balance,
        })
        .collect()
    }
}
