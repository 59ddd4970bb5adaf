//! `x-ratelimit-*-requests` and `x-ratelimit-*-tokens` as OpenAI sends them: the reset is a duration as Go writes it.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use sluicegate::Unit;

use super::{LimitHeaders, LimitState, tightest};

pub(super) fn write(headers: &mut LimitHeaders, states: &[LimitState<'_>]) {
    for (unit, [limit, remaining, reset]) in FIELDS {
        let of_unit = states.iter().filter(|state| state.quota.unit() == unit);
        let Some(state) = tightest(of_unit) else { continue };
        headers.push_number(limit, state.quota.amount());
        headers.push_number(remaining, state.remaining());
        headers.push(reset, go_duration(state.balance.reset_after));
    }
}

/// A duration as Go writes it, rounded up to milliseconds: `12ms`, `1.5s`, `6m0s`, `1h2m3s`.
fn go_duration(duration: Duration) -> HeaderValue {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
    let text = match (seconds, rest) {
        (0, 0) => "0s".to_owned(),
        (0, rest) => format!("{rest}ms"),
        _ => {
            let before = match (seconds / 3_600, seconds / 60 % 60) {
                (0, 0) => String::new(),
                (0, minutes) => format!("{minutes}m"),
                (hours, minutes) => format!("{hours}h{minutes}m"),
            };
            let fraction = format!(".{rest:03}");
            let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
            format!("{before}{}{fraction}s", seconds % 60)
        }
    };
    HeaderValue::try_from(text).expect("digits, points and letters make a header")
}

pub(super) const FIELDS: [(Unit, [HeaderName; 3]); 2] = [
    (
        Unit::Requests,
        [
            HeaderName::from_static("x-ratelimit-limit-requests"),
            HeaderName::from_static("x-ratelimit-remaining-requests"),
            HeaderName::from_static("x-ratelimit-reset-requests"),
        ],
    ),
    (
        Unit::Tokens,
        [
            HeaderName::from_static("x-ratelimit-limit-tokens"),
            HeaderName::from_static("x-ratelimit-remaining-tokens"),
            HeaderName::from_static("x-ratelimit-reset-tokens"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_go_writes_it_and_rounded_up() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ms"),
            (12_000_000, "12ms"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (9_816_000_001, "9.817s"),
            (59_999_999_999, "1m0s"),
            (360_000_000_000, "6m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (3_723_000_000_000, "1h2m3s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanoseconds)), text);
        }
    }
}
