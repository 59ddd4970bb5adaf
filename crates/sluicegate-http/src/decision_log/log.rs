//! The lines of requests.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;
use sluicegate::{Store, Unit, Wait};
use sluicegate_policy::{
    Actual, Judgement, KeyHasher, LimitId, LogKeys, Pass, Policy, Rejection, Reservation, RouteId, Scale,
    TokenWeights, Usage, Visit,
};
use smallvec::SmallVec;

use super::{Asked, DecisionSink, Logged, Time, line::Line, phrases::Phrases};
use crate::DenialLog;

/// Writes the decisions of one gate to the log.
pub struct DecisionLog {
    sink: Arc<DecisionSink>,
    keys: LogKeys,
    hasher: KeyHasher,
    phrases: Phrases,
}

/// The judgements on one request.
type Judgements<'a> = SmallVec<[Judgement<'a>; 4]>;

impl DecisionLog {
    /// The log of decisions by this policy. Hashes of keys are those of `denials`.
    #[must_use]
    pub fn new(sink: Arc<DecisionSink>, policy: &Policy, keys: LogKeys, denials: &DenialLog) -> Self {
        Self { sink, keys, hasher: denials.hasher().clone(), phrases: Phrases::of(policy) }
    }

    pub(crate) fn admitted<S: Store>(&self, visit: &Visit<'_>, pass: &Pass<S>) -> Logged {
        let clock = self.sink.clock();
        let time = pass.decided_at().map_or_else(|| clock.now(), |at| clock.of(at));
        let (asked, usage) = (Asked::of(visit), pass.reservation().map(Reservation::usage));
        let mut judgements = Judgements::new();
        pass.judgements().for_each(|judgement| judgements.push(judgement));
        let id = self.sink.first_line(|line, id| {
            self.asked(line, id, time, &asked);
            line.raw(r#"","outcome":"allowed""#);
            warmup(line, pass.warmup());
            self.keys(line, &asked, &judgements);
            self.cost(line, asked.route, &judgements, usage.as_ref());
            self.limits(line, time, &judgements);
        });
        Logged::new(id, time)
    }

    pub(crate) fn rejected(&self, asked: &Asked<'_>, rejection: &Rejection) {
        let clock = self.sink.clock();
        match rejection {
            Rejection::Denied(denied) => {
                let time = clock.of(denied.decided_at());
                let judgements: Judgements<'_> = denied.judgements().collect();
                self.sink.first_line(|line, id| {
                    self.asked(line, id, time, asked);
                    line.raw(r#"","outcome":"denied","status":429"#);
                    warmup(line, denied.warmup());
                    self.keys(line, asked, &judgements);
                    self.cost(line, asked.route, &judgements, denied.usage());
                    self.limits(line, time, &judgements);
                });
            }
            Rejection::Refused(refused) => {
                let time = clock.now();
                self.sink.first_line(|line, id| {
                    self.asked(line, id, time, asked);
                    line.raw(r#"","outcome":"refused","status":"#);
                    line.raw(refused.refusal.status().as_str());
                    error(line, Some(refused.refusal.code()));
                    self.keys(line, asked, &[]);
                    line.raw(r#","cost":{}"#);
                    self.limits(line, time, &[]);
                });
            }
            // The gate has answered a browser's question, and decided nothing.
            Rejection::Preflight { .. } => {}
        }
    }

    /// Logs what a request has just taken in addition.
    pub(crate) fn extended<S: Store>(&self, logged: &Logged, pass: &Pass<S>) {
        let Some((at, charges)) = pass.last_extension() else { return };
        self.sink.line(|line| {
            line.raw(r#"{"event":"extend","id":""#);
            line.stamp(logged.id, self.sink.clock().of(at));
            line.raw("\"");
            self.charges(line, charges.map(|(limit, charge)| (limit, charge.cost.units())));
            line.raw("}");
        });
    }

    /// Logs the end of a request, before its charges are settled by this usage, if they are.
    pub(crate) fn ended<S: Store>(&self, logged: &Logged, pass: &Pass<S>, actual: Option<&Actual>) {
        let time = self.sink.clock().now();
        let took = time.nanoseconds().saturating_sub(logged.decided.nanoseconds());
        self.sink.line(|line| {
            line.raw(r#"{"event":"end","id":""#);
            line.stamp(logged.id, time);
            line.raw(r#"","status":"#);
            line.raw(logged.status.as_ref().map_or("null", StatusCode::as_str));
            error(line, logged.error);
            line.raw(if logged.is_complete { r#","complete":true"# } else { r#","complete":false"# });
            line.raw(r#","duration":"#);
            line.seconds(Duration::from_nanos(took));
            match actual {
                Some(actual) => {
                    let settled = pass.settled_tokens(actual).map(|(limit, cost)| (limit, cost.units()));
                    self.charges(line, settled);
                    let weights = TokenWeights::default();
                    line.raw(r#","tokens":{"input":"#);
                    line.number(actual.usage.input(&weights));
                    line.raw(r#","output":"#);
                    line.number(actual.usage.output(&weights));
                    line.raw("}}");
                }
                None => line.raw(r#","limits":[]}"#),
            }
        });
    }

    /// Logs that the accounts of these keys are as if they had never been used.
    pub(crate) fn reset<'k>(&self, keys: impl Iterator<Item = &'k str>) {
        let time = self.sink.clock().now();
        self.sink.line(|line| {
            line.raw(r#"{"event":"reset","time":""#);
            line.raw(&time.to_string());
            line.raw(r#"","process":""#);
            line.raw(&self.sink.process());
            line.raw(r#"","accounts":["#);
            for (place, key) in keys.enumerate() {
                line.raw(if place > 0 { ",\"" } else { "\"" });
                self.account(line, key);
                line.raw("\"");
            }
            line.raw("]}");
        });
    }

    /// Writes the key of an account, whose values are written like those of a caller's keys.
    fn account(&self, line: &mut Line, key: &str) {
        for (place, part) in key.split('|').enumerate() {
            if place > 0 {
                line.raw("|");
            }
            match part.split_once('=') {
                Some((name, value)) if self.keys == LogKeys::Hashed && !is_public(name) => {
                    line.escaped(name);
                    line.raw("=");
                    self.person(line, value);
                }
                _ => line.escaped(part),
            }
        }
    }

    /// Writes the request, up to the end of its path.
    fn asked(&self, line: &mut Line, id: u64, time: Time, asked: &Asked<'_>) {
        line.raw(r#"{"event":"decision","id":""#);
        line.stamp(id, time);
        line.raw(r#"","method":""#);
        // A method has no character that is escaped.
        line.raw(asked.head.method.as_str());
        line.raw(&self.phrases.routes[asked.route.index()]);
        line.escaped(asked.head.uri.path());
    }

    /// The parts of the keys that a caller has, each once.
    fn keys(&self, line: &mut Line, asked: &Asked<'_>, judgements: &[Judgement<'_>]) {
        line.raw(r#","keys":{"client_ip":""#);
        self.person(line, asked.client);
        if let Some(api_key) = asked.api_key {
            line.raw(r#"","api_key":""#);
            self.person(line, &api_key.id);
            line.raw(r#"","tenant":""#);
            line.escaped(&api_key.tenant);
        }
        line.raw(&self.phrases.tiers[asked.tier.index()]);
        let names_more = |judgement: &Judgement<'_>| self.phrases.limits[judgement.limit.index()].names_more;
        if asked.has_own_key || judgements.iter().any(names_more) {
            self.more_keys(line, judgements);
        }
        line.raw("}");
    }

    /// The parts that the line tells only because a key names them.
    fn more_keys(&self, line: &mut Line, judgements: &[Judgement<'_>]) {
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
    }

    /// Writes what may tell who somebody is, between the quotes of a string.
    fn person(&self, line: &mut Line, value: &str) {
        match self.keys {
            LogKeys::Hashed => line.hexadecimal(self.hasher.hash(value.as_bytes())),
            LogKeys::Plain => line.decoded(value),
        }
    }

    fn cost(&self, line: &mut Line, route: RouteId, judgements: &[Judgement<'_>], usage: Option<&Usage>) {
        let charged = |unit| {
            let mut charges = judgements.iter().map(|judgement| judgement.charge);
            charges.find(|charge| charge.quota.unit() == unit).map(|charge| charge.cost.units())
        };
        line.raw(r#","cost":{"requests":"#);
        line.number(charged(Unit::Requests).unwrap_or(self.phrases.weights[route.index()]));
        let counts_requests = |judgement: &Judgement<'_>| {
            matches!(judgement.charge.quota.unit(), Unit::Requests | Unit::Concurrent)
        };
        if usage.is_some() || !judgements.iter().all(counts_requests) {
            let weights = TokenWeights::default();
            for unit in OTHER_UNITS {
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
            line.raw(&self.phrases.limits[limit.index()].judgement);
            match self.keys {
                LogKeys::Hashed => line.hexadecimal(self.hasher.hash(charge.key.as_bytes())),
                LogKeys::Plain => line.escaped(charge.key.as_str()),
            }
            line.raw(r#"","charge":"#);
            line.number(charge.cost.units());
            line.raw(if balance.wait.fits() {
                r#","allowed":true,"remaining":"#
            } else {
                r#","allowed":false,"remaining":"#
            });
            line.number(balance.remaining);
            match balance.wait {
                Wait::None => line.raw(r#","wait":0"#),
                Wait::For(wait) => {
                    line.raw(r#","wait":"#);
                    line.seconds(wait);
                }
                Wait::Release | Wait::Forever => line.raw(r#","wait":null"#),
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
            line.raw(&self.phrases.limits[limit.index()].charge);
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

fn error(line: &mut Line, code: Option<&str>) {
    if let Some(code) = code {
        line.raw(r#","error":""#);
        line.raw(code);
        line.raw("\"");
    }
}

fn warmup(line: &mut Line, scale: Option<Scale>) {
    if let Some(scale) = scale {
        let (millionths, whole) = (scale.millionths(), Scale::WHOLE.millionths());
        line.raw(r#","warmup":"#);
        line.number(millionths / whole);
        // Below a million, so it fits.
        line.billionths(u32::try_from(millionths % whole * 1_000).unwrap_or_default());
    }
}

/// Returns `true` if the line tells this part of a key in any case.
fn is_told(name: &str) -> bool {
    matches!(name, "client_ip" | "api_key" | "tenant" | "tier" | "route" | "path" | "method")
}

/// Returns `true` if this part of a key never tells who somebody is.
fn is_public(name: &str) -> bool {
    name.starts_with("path:") || matches!(name, "tenant" | "tier" | "route" | "path" | "method")
}

/// The units whose costs are told where something counts them.
const OTHER_UNITS: [Unit; 6] =
    [Unit::Items, Unit::Tokens, Unit::InputTokens, Unit::OutputTokens, Unit::Bytes, Unit::Usd];
