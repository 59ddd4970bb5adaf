//! Answers to Envoy.

use std::{cmp::Reverse, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::percent_decode;
use sluicegate::{Balance, Charge, Store};
use sluicegate_policy::{LimitId, Policy, Rejection, Renderer, RequestId, Together, whole_seconds};

use super::{
    descriptor::Described,
    messages::{self, Code, DescriptorStatus, Header, RateLimit, RateLimitResponse, Unit},
};

/// The answer to one call.
pub(super) struct Answer<'a> {
    policy: &'a Policy,
    renderer: &'a Renderer,
    statuses: Vec<DescriptorStatus>,
    headers: HeaderMap,
}

impl<'a> Answer<'a> {
    /// Begins an answer to this many descriptors, none of which is limited.
    pub(super) fn new(policy: &'a Policy, renderer: &'a Renderer, descriptors: usize) -> Self {
        let unlimited = DescriptorStatus { code: Code::Ok.into(), ..DescriptorStatus::default() };
        let (statuses, headers) = (vec![unlimited; descriptors], HeaderMap::new());
        Self { policy, renderer, statuses, headers }
    }

    /// Adds the outcome of a descriptor.
    pub(super) fn add<S: Store>(&mut self, described: &Described, outcome: &Together<S>) {
        self.statuses[described.place] = match outcome {
            Together::Admitted(pass) => {
                let form = self.renderer.form(&described.head, pass.route());
                self.renderer.lines(pass, &form).move_to(&mut self.headers);
                if described.hits > 0 {
                    self.charged(pass.limits(), described.hits);
                }
                self.judged(pass.limits(), pass.charges(), pass.balances())
            }
            Together::Spared(spared) => self.judged(spared.limits(), spared.charges(), spared.balances()),
            Together::Rejected(rejection) => self.rejected(rejection),
        };
    }

    /// The status of a descriptor that its limits admit: that of the limit of which the smallest part is left.
    fn judged(&self, limits: &[LimitId], charges: &[Charge], balances: &[Balance]) -> DescriptorStatus {
        let rows = limits.iter().zip(charges).zip(balances);
        let tightest = rows.min_by(|((_, charge), balance), ((_, other), than)| {
            let part = |balance: &Balance, of: &Charge| {
                u128::from(balance.remaining) * u128::from(of.quota.amount())
            };
            part(balance, other).cmp(&part(than, charge))
        });
        let Some(((limit, charge), balance)) = tightest else {
            return DescriptorStatus { code: Code::Ok.into(), ..DescriptorStatus::default() };
        };
        DescriptorStatus {
            code: Code::Ok.into(),
            current_limit: Some(self.limit(*limit, charge)),
            limit_remaining: saturated(balance.remaining),
            duration_until_reset: Some(seconds(balance.reset_after)),
        }
    }

    fn rejected(&self, rejection: &Rejection) -> DescriptorStatus {
        let status = DescriptorStatus { code: Code::OverLimit.into(), ..DescriptorStatus::default() };
        let Rejection::Denied(denied) = rejection else { return status };
        let charge = denied.limits().iter().zip(denied.charges()).find(|(id, _)| **id == denied.limit());
        DescriptorStatus {
            current_limit: charge.map(|(id, charge)| self.limit(*id, charge)),
            duration_until_reset: denied.wait().duration().map(seconds),
            ..status
        }
    }

    fn limit(&self, limit: LimitId, charge: &Charge) -> RateLimit {
        RateLimit {
            requests_per_unit: saturated(charge.quota.amount()),
            unit: unit(charge.quota.window()).into(),
            name: self.policy.limit(limit).name().to_owned(),
        }
    }

    /// Tells the hits that each limit has charged. Only calls that are admitted do, so Envoy can take the hits of a refund
    /// from there.
    fn charged(&mut self, limits: &[LimitId], hits: u64) {
        for limit in limits {
            let name = format!("{CHARGED}{}", self.policy.limit(*limit).name());
            // The names of limits may be those of headers.
            if let Ok(name) = HeaderName::try_from(name) {
                self.headers.entry(name).or_insert_with(|| HeaderValue::from(hits));
            }
        }
    }

    /// Ends the answer to a call that is admitted.
    pub(super) fn allowed(self) -> RateLimitResponse {
        self.end(Code::Ok, Bytes::new())
    }

    /// Ends the answer to a call that is not, by the rejections of its descriptors. The client is told the longest wait.
    pub(super) fn denied(mut self, rejected: &[(&Described, &Rejection, RequestId)]) -> RateLimitResponse {
        // One that no wait helps comes first.
        let wait = |rejection: &Rejection| match rejection {
            Rejection::Denied(denied) => Reverse(denied.wait()),
            _ => Reverse(sluicegate::Wait::Forever),
        };
        let Some((described, rejection, id)) =
            rejected.iter().min_by_key(|(_, rejection, _)| wait(rejection))
        else {
            return self.end(Code::OverLimit, Bytes::new());
        };
        let (mut head, mut body) = self.renderer.rejected(rejection, &described.head, id).into_parts();
        let headers = &mut head.headers;
        let message = headers.remove("grpc-message");
        headers.remove("grpc-status");
        // The client gets the status that Envoy is configured with, so a document with another one would be wrong.
        let line = match (rejection, message) {
            (Rejection::Denied(_), None) => None,
            (Rejection::Denied(_), Some(message)) => {
                // For a client of gRPC, which gets it as the message of its status.
                Some(percent_decode(message.as_bytes()).collect::<Vec<_>>())
            }
            (Rejection::Refused(refused), _) => Some(refused.refusal.to_string().into_bytes()),
            (Rejection::Preflight { .. }, _) => Some(Vec::new()),
        };
        if let Some(line) = line {
            body = line.into();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        if !headers.contains_key(&PUSHBACK) {
            let after = headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
            let pushback = after.map_or(HeaderValue::from_static("-1"), |seconds: u32| {
                HeaderValue::from(seconds.saturating_mul(1000).min(LONGEST_PUSHBACK))
            });
            headers.insert(PUSHBACK, pushback);
        }
        self.headers = head.headers;
        self.end(Code::OverLimit, body)
    }

    fn end(self, overall: Code, raw_body: Bytes) -> RateLimitResponse {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            // Ours are all of them ASCII.
            Some(Header { key: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() })
        };
        RateLimitResponse {
            overall_code: overall.into(),
            statuses: self.statuses,
            response_headers_to_add: self.headers.iter().filter_map(header).collect(),
            raw_body,
        }
    }
}

fn saturated(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn seconds(duration: Duration) -> messages::Duration {
    messages::Duration { seconds: i64::try_from(whole_seconds(duration)).unwrap_or(i64::MAX) }
}

/// The unit of a window that is exactly one of Envoy's. It has no other way to tell a window.
fn unit(window: Duration) -> Unit {
    const DAY: u64 = 86_400;
    match (window.as_secs(), window.subsec_nanos()) {
        (1, 0) => Unit::Second,
        (60, 0) => Unit::Minute,
        (3_600, 0) => Unit::Hour,
        (DAY, 0) => Unit::Day,
        (seconds, 0) if seconds == 7 * DAY => Unit::Week,
        (seconds, 0) if seconds == 30 * DAY => Unit::Month,
        (seconds, 0) if seconds == 365 * DAY => Unit::Year,
        _ => Unit::Unknown,
    }
}

/// The beginning of the header with the hits that a limit has charged.
const CHARGED: &str = "sluicegate-charged-";
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Clients read 32 bits with a sign.
const LONGEST_PUSHBACK: u32 = i32::MAX.unsigned_abs();
