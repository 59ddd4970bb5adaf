//! Explanations as JSON.

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{Explanation, JudgedLimit};
use crate::amounts::{amount, seconds};

impl Explanation {
    /// The explanation as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { request, route, caller, outcome, code, tokens, limits, denied_in_shadow, response } = self;
        json!({
            "request": request,
            "route": route,
            "client_ip": caller.client_ip,
            "tenant": caller.tenant,
            "api_key": caller.api_key,
            "tier": caller.tier,
            "outcome": outcome,
            "code": code,
            "tokens": tokens.map(|(input, output)| json!({ "input": input, "output": output })),
            "limits": limits.iter().map(limit).collect::<Vec<_>>(),
            "denied_in_shadow": denied_in_shadow,
            "response": {
                "status": response.status.map(|status| status.as_u16()),
                "headers": headers(&response.headers),
                "body": body(&response.body),
            },
        })
    }
}

fn limit(judged: &JudgedLimit) -> Value {
    let JudgedLimit { name, account, charge, balance } = judged;
    let unit = charge.quota.unit();
    json!({
        "limit": name,
        "account": account,
        "quota": charge.quota.to_string(),
        "unit": unit.as_str(),
        "cost": amount(charge.cost.units(), unit),
        "remaining": amount(balance.remaining, unit),
        "reset_after": seconds(balance.reset_after),
        "fits": balance.wait.fits(),
        "wait": balance.wait.duration().map(seconds),
    })
}

/// One text for each name; lines of one name are one list.
pub(crate) fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let text = |name| {
        let lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        lines.collect::<Vec<_>>().join(", ")
    };
    headers.keys().map(|name| (name.to_string(), text(name).into())).collect()
}

/// A JSON document as it is, anything else as text, and `null` for none.
pub(crate) fn body(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into())
}
