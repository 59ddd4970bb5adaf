//! Retries of what an upstream itself refused.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER, response::Parts};
use sluicegate_policy::retry::{self, LONGEST_WAIT, RETRY_AFTER_MS};

/// The answers by which a server says that it cannot serve a request now: its place in [`REFUSALS`].
pub(crate) fn refusal(status: StatusCode) -> Option<usize> {
    REFUSALS.iter().position(|refusal| *refusal == status.as_u16())
}

/// Completes what an upstream's error says of retries, so that clients' libraries do not make them in vain; nothing
/// else of the answer changes.
///
/// A refusal that names no time gets `wait`, if there is one. Beside a time that is too long, whoever named it,
/// libraries are told not to try again.
pub(crate) fn complete(head: &mut Parts, wait: Option<Duration>, now: SystemTime) {
    let headers = &mut head.headers;
    if let Some(wait) = wait
        && refusal(head.status).is_some()
        && !headers.contains_key(RETRY_AFTER)
        && !headers.contains_key(RETRY_AFTER_MS)
    {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    if told_seconds(headers, now).is_some_and(|seconds| seconds > LONGEST_WAIT.as_secs_f64()) {
        retry::forbid(headers);
    }
}

/// Returns the seconds that clients are told to wait: by milliseconds, which win where they are read, by seconds or by a date.
/// Of several lines, the longest, because libraries differ in which they take.
fn told_seconds(headers: &HeaderMap, now: SystemTime) -> Option<f64> {
    let milliseconds = headers.get_all(RETRY_AFTER_MS).iter().filter_map(number).reduce(f64::max);
    let seconds = headers.get_all(RETRY_AFTER).iter().filter_map(|value| number(value).or(until(value, now)));
    milliseconds.map(|milliseconds| milliseconds / 1_000.0).or_else(|| seconds.reduce(f64::max))
}

/// A number, if need be with a fraction: that is not in the standard, and libraries read it.
fn number(value: &HeaderValue) -> Option<f64> {
    value.to_str().ok()?.trim().parse().ok()
}

/// The seconds until a date, in any of the three forms of HTTP; none are left of one that has passed.
fn until(value: &HeaderValue, now: SystemTime) -> Option<f64> {
    let date = httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default().as_secs_f64())
}

/// A request that timed out, too many requests, unavailable, a gateway's timeout, and what Anthropic says when it is
/// overloaded.
pub(crate) const REFUSALS: [u16; 5] = [408, 429, 503, 504, 529];

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    /// `Retry-After` and `x-should-retry` of an answer to which this route adds `wait`.
    fn completed(status: u16, lines: &[(&str, &str)], wait: Option<u64>) -> (Option<String>, Option<String>) {
        let mut builder = Response::builder().status(status);
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        let (mut head, ()) = builder.body(()).expect("valid").into_parts();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW_MILLIS);
        complete(&mut head, wait.map(Duration::from_secs), now);
        let text = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("ASCII").to_owned());
        (text("retry-after"), text("x-should-retry"))
    }

    fn is_forbidden(lines: &[(&str, &str)]) -> bool {
        completed(503, lines, None).1.as_deref() == Some("false")
    }

    #[test]
    fn a_refusal_without_a_time_gets_the_routes() {
        for status in REFUSALS {
            assert_eq!(completed(status, &[], Some(5)), (Some("5".to_owned()), None), "{status}");
        }
        for status in [400, 404, 413, 500, 502] {
            assert_eq!(completed(status, &[], Some(5)), (None, None), "{status}");
        }
        assert_eq!(completed(503, &[], None), (None, None));
        assert_eq!(completed(503, &[], Some(61)), (Some("61".to_owned()), Some("false".to_owned())));
    }

    #[test]
    fn a_time_that_is_named_stays_as_it_is() {
        for named in ["0", "7", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            let (retry_after, _) = completed(429, &[("retry-after", named)], Some(5));
            assert_eq!(retry_after.as_deref(), Some(named));
        }
        assert_eq!(completed(429, &[("retry-after-ms", "1500")], Some(5)), (None, None));
    }

    #[test]
    fn a_minute_is_worth_a_retry_and_not_a_moment_more() {
        for (header, worth, too_long) in [
            ("retry-after", "60", "61"),
            ("retry-after", "60.0", "60.001"),
            ("retry-after", "-1", "3600"),
            ("retry-after", " 5 ", "inf"),
            ("retry-after-ms", "60000", "60001"),
            // It is a quarter of a second past a whole one.
            ("retry-after", "Sun, 29 Nov 2026 13:01:00 GMT", "Sun, 29 Nov 2026 13:01:01 GMT"),
            ("retry-after", "Sunday, 29-Nov-26 13:01:00 GMT", "Sunday, 29-Nov-26 13:01:01 GMT"),
            ("retry-after", "Sun Nov 29 13:01:00 2026", "Sun Nov 29 13:01:01 2026"),
            ("retry-after", "Sun, 29 Nov 2025 13:00:00 GMT", "Mon, 29 Nov 2027 13:00:00 GMT"),
        ] {
            assert!(!is_forbidden(&[(header, worth)]), "{header}: {worth}");
            assert!(is_forbidden(&[(header, too_long)]), "{header}: {too_long}");
        }
        for nothing in ["soon", "", "NaN", "61 s"] {
            assert!(!is_forbidden(&[("retry-after", nothing)]), "{nothing}");
        }
    }

    #[test]
    fn milliseconds_win_and_of_several_lines_the_longest() {
        assert!(!is_forbidden(&[("retry-after", "3600"), ("retry-after-ms", "1500")]));
        assert!(is_forbidden(&[("retry-after", "1"), ("retry-after-ms", "3600000")]));
        assert!(is_forbidden(&[("retry-after", "3600"), ("retry-after-ms", "soon")]));
        assert!(is_forbidden(&[("retry-after", "1"), ("retry-after", "3600")]));
    }

    #[test]
    fn what_the_upstream_says_of_a_retry_gives_way_only_to_a_long_wait() {
        let says_so = ("x-should-retry", "true");
        assert_eq!(completed(429, &[says_so, ("retry-after", "5")], None).1.as_deref(), Some("true"));
        assert_eq!(completed(429, &[says_so, ("retry-after", "600")], None).1.as_deref(), Some("false"));
    }

    /// 29 November 2026, 13:00:00.250.
    const NOW_MILLIS: u64 = 1_795_957_200_250;
}
