//! `anthropic-ratelimit-*` as Anthropic sends them: the reset is a time, in UTC as RFC 3339 writes it.

use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use sluicegate::Unit;

use super::{Lines, Standing, github::unix_seconds, tightest};
use crate::UtcTime;

pub(super) fn write(lines: &mut Lines, standings: &[Standing<'_>], now: SystemTime) {
    for (unit, [limit, remaining, reset]) in FIELDS {
        let of_unit = standings.iter().filter(|standing| standing.quota.unit() == unit);
        let Some(standing) = tightest(of_unit) else { continue };
        lines.push_number(limit, standing.quota.amount());
        lines.push_number(remaining, standing.remaining());
        let time = UtcTime::from_unix(unix_seconds(now, standing.balance.reset_after));
        let time = HeaderValue::try_from(time.to_string()).expect("a time is visible ASCII");
        lines.push(reset, time);
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
