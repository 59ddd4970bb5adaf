//! The answers to calls that are right.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::{Value, json};
use sluicegate::{Balance, Charge, Store};
use sluicegate_policy::{LimitId, Pass, Policy, Rejection};

use crate::{
    amounts::{amount, seconds},
    explain::json::{body, headers},
};

/// The answer about a request that may run.
pub(super) fn allowed<S: Store>(policy: &Policy, pass: &Pass<S>, lines: &HeaderMap) -> Value {
    json!({
        "allowed": true,
        "route": policy.routes.get(pass.route()).label(),
        "limits": limits(policy, pass.limits(), pass.charges(), pass.balances()),
        "headers": headers(lines),
    })
}

/// The answer about a request that may not: it has the `response` for the client.
pub(super) fn rejected(policy: &Policy, rejection: &Rejection, response: &Response<Bytes>) -> Value {
    let told = response.headers();
    let retry_after = told.get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse::<u64>().ok());
    let limits = match rejection {
        Rejection::Denied(denied) => limits(policy, denied.limits(), denied.charges(), denied.balances()),
        Rejection::Refused(_) | Rejection::Preflight { .. } => Vec::new(),
    };
    json!({
        "allowed": false,
        "route": policy.routes.get(rejection.route()).label(),
        "status": response.status().as_u16(),
        "retry_after": retry_after,
        "limits": limits,
        "headers": headers(told),
        "body": body(response.body()),
    })
}

fn limits(policy: &Policy, limits: &[LimitId], charges: &[Charge], balances: &[Balance]) -> Vec<Value> {
    let rows = limits.iter().zip(charges).zip(balances);
    rows.map(|((id, charge), balance)| {
        let unit = charge.quota.unit();
        json!({
            "name": policy.limit(*id).name(),
            "quota": charge.quota.to_string(),
            "unit": unit.as_str(),
            "limit": amount(charge.quota.amount(), unit),
            "cost": amount(charge.cost.units(), unit),
            "remaining": amount(balance.remaining, unit),
            "reset_after": seconds(balance.reset_after),
        })
    })
    .collect()
}

/// A response with this document.
pub(super) fn response(answer: Bytes) -> Response<Bytes> {
    let mut response = Response::new(answer);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
