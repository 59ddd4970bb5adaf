//! `anthropic-ratelimit-*` as Anthropic sends them: the reset is a time, in UTC as RFC 3339 writes it.

use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use sluicegate::Unit;

use super::{LimitHeaders, LimitState, github::unix_seconds, tightest};
use crate::UtcTime;

pub(super) fn write(headers: &mut LimitHeaders, states: &[LimitState<'_>], now: SystemTime) {
    for (unit, [limit, remaining, reset]) in FIELDS {
        let of_unit = states.iter().filter(|state| state.quota.unit() == unit);
        let Some(state) = tightest(of_unit) else { continue };
        headers.push_number(limit, state.quota.amount());
        headers.push_number(remaining, state.remaining());
        let time = UtcTime::from_unix(unix_seconds(now, state.balance.reset_after));
        let time = HeaderValue::try_from(time.to_string()).expect("a time is visible ASCII");
        headers.push(reset, time);
    }
}

macro_rules! fields {
    ($unit:literal) => {
        [
            HeaderName::from_static(concat!("anthropic-ratelimit-", $unit, "-limit")),
            HeaderName::from_static(concat!("anthropic-ratelimit-", $unit, "-remaining")),
            HeaderName::from_static(concat!("anthropic-ratelimit-", $unit, "-reset")),
        ]
    };
}

pub(super) const FIELDS: [(Unit, [HeaderName; 3]); 4] = [
    (Unit::Requests, fields!("requests")),
    (Unit::Tokens, fields!("tokens")),
    (Unit::InputTokens, fields!("input-tokens")),
    (Unit::OutputTokens, fields!("output-tokens")),
];
