//! The lines of requests.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use http::{StatusCode, request::Parts};
use sluicegate::{Store, Unit, Wait};
use sluicegate_policy::{
    Actual, ApiKey, Judgement, LimitId, LogKeys, Mode, Pass, Policy, Refusal, Rejection, Reservation, Route,
    RouteId, Scale, TierId, TokenWeights, Usage, Visit,
};
use smallvec::SmallVec;

use super::{
    DecisionSink, Time,
    line::{Line, quoted},
};
use crate::DenialLog;

/// Writes the decisions of one gate to the log.
pub struct DecisionLog {
    sink: Arc<DecisionSink>,
    keys: LogKeys,
    hasher: RandomState,
    /// By the ids of routes: their names as JSON.
    routes: Box<[String]>,
    /// By the ids of routes.
    weights: Box<[u64]>,
    /// By the ids of tiers: their names as JSON.
    tiers: Box<[String]>,
    /// By the ids of limits: the beginnings of their judgements, up to the key.
    judgements: Box<[String]>,
    /// By the ids of limits: the beginnings of their charges, up to the number.
    charges: Box<[String]>,
}

/// An allowed request in the log, whose end is not logged yet.
#[derive(Debug)]
pub struct Logged {
    id: u64,
    decided: Time,
    status: Option<u16>,
    error: Option<&'static str>,
    is_complete: bool,
}

/// A request that has been decided.
pub(crate) struct Asked<'a> {
    head: &'a Parts,
    route: RouteId,
    tier: TierId,
    client: &'a str,
    api_key: Option<&'a ApiKey>,
}

/// The judgements on one request.
type Judgements<'a> = SmallVec<[Judgement<'a>; 4]>;

impl DecisionLog {
    /// The log of decisions by this policy. Hashes of keys are those of `denials`.
    #[must_use]
    pub fn new(sink: Arc<DecisionSink>, policy: &Policy, keys: LogKeys, denials: &DenialLog) -> Self {
        let routes = policy.routes.as_slice();
        let mode = |mode| match mode {
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
        };
        let names = policy.limits.iter().map(|limit| (quoted(limit.name()), mode(limit.mode())));
        let judgement = |(name, mode)| format!(r#"{{"name":{name},"mode":"{mode}","key":""#);
        let tiers = policy.tiers.as_slice().iter().map(|tier| quoted(tier.name()));
        Self {
            sink,
            keys,
            hasher: denials.hasher().clone(),
            routes: routes.iter().map(|route| quoted(route.label())).collect(),
            weights: routes.iter().map(Route::weight).collect(),
            tiers: tiers.collect(),
            charges: names.clone().map(|(name, _)| format!(r#"{{"name":{name},"charge":"#)).collect(),
            judgements: names.map(judgement).collect(),
        }
    }

    pub(crate) fn admitted<S: Store>(&self, visit: &Visit<'_>, pass: &Pass<S>) -> Logged {
        let clock = self.sink.clock();
        let time = pass.decided_at().map_or_else(|| clock.now(), |at| clock.of(at));
        let id = self.sink.next_id();
        let write = |line: &mut Line| {
            let judgements: Judgements<'_> = pass.judgements().collect();
            let asked = Asked::of(visit);
            self.asked(line, id, time, &asked);
            line.raw(r#","outcome":"allowed""#);
            warmup(line, pass.warmup());
            self.keys(line, &asked, &judgements);
            let usage = pass.reservation().map(Reservation::usage);
            self.cost(line, asked.route, &judgements, usage.as_ref());
            self.limits(line, time, &judgements);
        };
        Line::compose(write, |line| self.sink.push(line));
        Logged { id, decided: time, status: None, error: None, is_complete: false }
    }

    pub(crate) fn rejected(&self, asked: &Asked<'_>, rejection: &Rejection) {
        let clock = self.sink.clock();
        let time = match rejection {
            Rejection::Denied(denied) => clock.of(denied.decided_at()),
            Rejection::Refused(_) => clock.now(),
            // The gate has answered a browser's question, and decided nothing.
            Rejection::Preflight { .. } => return,
        };
        let id = self.sink.next_id();
        let write = |line: &mut Line| {
            self.asked(line, id, time, asked);
            let mut judgements = Judgements::new();
            match rejection {
                Rejection::Denied(denied) => {
                    line.raw(r#","outcome":"denied","status":"#);
                    line.number(StatusCode::TOO_MANY_REQUESTS.as_u16().into());
                    warmup(line, denied.warmup());
                    judgements.extend(denied.judgements());
                    self.keys(line, asked, &judgements);
                    self.cost(line, asked.route, &judgements, denied.usage());
                }
                Rejection::Refused(refused) => {
                    line.raw(r#","outcome":"refused","status":"#);
                    line.number(refused.refusal.status().as_u16().into());
                    line.raw(r#","error":""#);
                    line.raw(refused.refusal.code());
                    line.raw("\"");
                    self.keys(line, asked, &judgements);
                    line.raw(r#","cost":{}"#);
                }
                Rejection::Preflight { .. } => {}
            }
            self.limits(line, time, &judgements);
        };
        Line::compose(write, |line| self.sink.push(line));
    }

    /// Logs what a request has just taken in addition.
    pub(crate) fn extended<S: Store>(&self, logged: &Logged, pass: &Pass<S>) {
        let Some((at, charges)) = pass.last_extension() else { return };
        let write = |line: &mut Line| {
            begin(line, "extend", logged.id, self.sink.clock().of(at));
            self.charges(line, charges.map(|(limit, charge)| (limit, charge.cost.units())));
            line.raw("}");
        };
        Line::compose(write, |line| self.sink.push(line));
    }

    /// Logs the end of a request, before its charges are settled by this usage, if they are.
    pub(crate) fn ended<S: Store>(&self, logged: &Logged, pass: &Pass<S>, actual: Option<&Actual>) {
        let time = self.sink.clock().now();
        let took = time.nanoseconds().saturating_sub(logged.decided.nanoseconds());
        let write = |line: &mut Line| {
            begin(line, "end", logged.id, time);
            line.raw(r#","status":"#);
            match logged.status {
                Some(status) => line.number(status.into()),
                None => line.raw("null"),
            }
            if let Some(error) = logged.error {
                line.raw(r#","error":""#);
                line.raw(error);
                line.raw("\"");
            }
            line.raw(if logged.is_complete { r#","complete":true"# } else { r#","complete":false"# });
            line.raw(r#","duration":"#);
            line.seconds(Duration::from_nanos(took));
            let settled = actual.into_iter().flat_map(|actual| pass.settled_tokens(actual));
            self.charges(line, settled.map(|(limit, cost)| (limit, cost.units())));
            if let Some(actual) = actual {
                let weights = TokenWeights::default();
                line.raw(r#","tokens":{"input":"#);
                line.number(actual.usage.input(&weights));
                line.raw(r#","output":"#);
                line.number(actual.usage.output(&weights));
                line.raw("}");
            }
            line.raw("}");
        };
        Line::compose(write, |line| self.sink.push(line));
    }

    fn asked(&self, line: &mut Line, id: u64, time: Time, asked: &Asked<'_>) {
        begin(line, "decision", id, time);
        line.raw(r#","method":"#);
        line.text(asked.head.method.as_str());
        line.raw(r#","route":"#);
        line.raw(&self.routes[asked.route.index()]);
        line.raw(r#","path":"#);
        line.text(asked.head.uri.path());
    }

    /// The parts of the keys that a caller has, each once.
    fn keys(&self, line: &mut Line, asked: &Asked<'_>, judgements: &[Judgement<'_>]) {
        line.raw(r#","keys":{"client_ip":""#);
        self.person(line, asked.client);
        line.raw("\"");
        if let Some(api_key) = asked.api_key {
            line.raw(r#","api_key":""#);
            self.person(line, &api_key.id);
            line.raw(r#"","tenant":"#);
            line.text(&api_key.tenant);
        }
        line.raw(r#","tier":"#);
        line.raw(&self.tiers[asked.tier.index()]);
        let mut written: SmallVec<[&str; 4]> = SmallVec::new();
        for judgement in judgements {
            // Behind the name of the account, which has no `=`.
            let parts = judgement.charge.key.as_str().split('|').filter_map(|part| part.split_once('='));
            for (name, value) in parts {
                if is_told(name) || written.contains(&name) {
                    continue;
                }
                written.push(name);
                line.raw(",\"");
                line.decoded(name);
                line.raw("\":\"");
                if is_public(name) {
                    line.decoded(value);
                } else {
                    self.person(line, value);
                }
                line.raw("\"");
            }
        }
        line.raw("}");
    }

    /// Writes what may tell who somebody is, between the quotes of a string.
    fn person(&self, line: &mut Line, value: &str) {
        match self.keys {
            LogKeys::Hashed => line.hexadecimal(self.hasher.hash_one(value.as_bytes())),
            LogKeys::Plain => line.decoded(value),
        }
    }

    fn cost(&self, line: &mut Line, route: RouteId, judgements: &[Judgement<'_>], usage: Option<&Usage>) {
        let charged = |unit| {
            let mut charges = judgements.iter().map(|judgement| judgement.charge);
            charges.find(|charge| charge.quota.unit() == unit).map(|charge| charge.cost.units())
        };
        let weights = TokenWeights::default();
        line.raw(r#","cost":{"requests":"#);
        line.number(charged(Unit::Requests).unwrap_or(self.weights[route.index()]));
        for unit in [Unit::Items, Unit::Tokens, Unit::InputTokens, Unit::OutputTokens, Unit::Bytes, Unit::Usd]
        {
            let estimated = usage.and_then(|usage| match unit {
                Unit::Tokens => Some(usage.total(&weights)),
                Unit::InputTokens => Some(usage.input(&weights)),
                Unit::OutputTokens => Some(usage.output(&weights)),
                _ => None,
            });
            if let Some(cost) = estimated.or_else(|| charged(unit)) {
                line.raw(",\"");
                line.raw(unit.as_str());
                line.raw("\":");
                line.number(cost);
            }
        }
        line.raw("}");
    }

    /// Writes the judgements, and the end of the line.
    fn limits(&self, line: &mut Line, time: Time, judgements: &[Judgement<'_>]) {
        line.raw(r#","limits":["#);
        for (place, Judgement { limit, charge, balance, at }) in judgements.iter().enumerate() {
            if place > 0 {
                line.raw(",");
            }
            line.raw(&self.judgements[limit.index()]);
            match self.keys {
                LogKeys::Hashed => line.hexadecimal(self.hasher.hash_one(charge.key.as_bytes())),
                LogKeys::Plain => line.escaped(charge.key.as_str()),
            }
            line.raw(r#"","charge":"#);
            line.number(charge.cost.units());
            line.raw(if balance.wait.fits() { r#","allowed":true"# } else { r#","allowed":false"# });
            line.raw(r#","remaining":"#);
            line.number(balance.remaining);
            line.raw(r#","wait":"#);
            match balance.wait {
                Wait::None => line.raw("0"),
                Wait::For(wait) => line.seconds(wait),
                Wait::Release | Wait::Forever => line.raw("null"),
            }
            let later = self.sink.clock().between(time, *at);
            if later > 0 {
                line.raw(r#","after_ns":"#);
                line.number(later);
            }
            line.raw("}");
        }
        line.raw("]}");
    }

    fn charges(&self, line: &mut Line, charges: impl Iterator<Item = (LimitId, u64)>) {
        line.raw(r#","limits":["#);
        for (place, (limit, charge)) in charges.enumerate() {
            if place > 0 {
                line.raw(",");
            }
            line.raw(&self.charges[limit.index()]);
            line.number(charge);
            line.raw("}");
        }
        line.raw("]");
    }
}

impl fmt::Debug for DecisionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionLog")
            .field("sink", &self.sink)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Logged {
    /// Learns the status of the upstream's response.
    pub fn answered(&mut self, status: StatusCode) {
        self.status = Some(status.as_u16());
    }

    /// Learns that the upstream gave no response, and that the client gets this refusal.
    pub fn failed(&mut self, refusal: &Refusal) {
        (self.status, self.error) = (Some(refusal.status().as_u16()), Some(refusal.code()));
    }

    /// Learns that the upstream's response has come to its end.
    pub fn complete(&mut self) {
        self.is_complete = true;
    }
}

impl<'a> Asked<'a> {
    pub(crate) fn of(visit: &'a Visit<'_>) -> Self {
        let caller = visit.caller();
        Self {
            head: visit.head(),
            route: visit.route(),
            tier: visit.tier(),
            client: &caller.client,
            api_key: caller.api_key.as_deref(),
        }
    }

    /// A request that was rejected when only its head and the address of its client were known.
    pub(crate) fn rejected(head: &'a Parts, client: &'a str, rejection: &Rejection) -> Self {
        Self { head, route: rejection.route(), tier: rejection.tier(), client, api_key: None }
    }
}

fn begin(line: &mut Line, event: &str, id: u64, time: Time) {
    line.raw(r#"{"event":""#);
    line.raw(event);
    line.raw(r#"","id":""#);
    line.hexadecimal(id);
    line.raw(r#"","time":"#);
    line.time(time);
}

fn warmup(line: &mut Line, scale: Option<Scale>) {
    if let Some(scale) = scale {
        let (millionths, whole) = (scale.millionths(), Scale::WHOLE.millionths());
        line.raw(r#","warmup":"#);
        line.decimal(millionths / whole, millionths % whole, 6);
    }
}

/// Returns `true` if the line tells this part of a key in any case.
fn is_told(name: &str) -> bool {
    matches!(name, "client_ip" | "api_key" | "tenant" | "tier" | "route" | "path" | "method")
}

/// Returns `true` if this part of a key never tells who somebody is.
fn is_public(name: &str) -> bool {
    name.starts_with("path:")
}
