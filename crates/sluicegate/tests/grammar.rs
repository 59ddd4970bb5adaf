//! The quota grammar: what is read, with which meaning, and what is said about what is not.

use std::time::Duration;

use proptest::prelude::*;
use sluicegate::{Algorithm, Quota, QuotaError, Unit};

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

fn requests(amount: u64, seconds: u64) -> Quota {
    Quota::new(amount, Duration::from_secs(seconds)).expect("a good quota")
}

fn error(text: &str) -> QuotaError {
    match text.parse::<Quota>() {
        Ok(quota) => panic!("{text:?} was read as {quota}"),
        Err(error) => error,
    }
}

/// The part of the text that its error points at.
fn blamed(text: &str) -> &str {
    &text[error(text).span()]
}

#[test]
fn what_python_limits_reads_has_the_same_meaning() {
    for (text, meaning) in [
        ("1/second", requests(1, SECOND)),
        ("1 per second", requests(1, SECOND)),
        ("1per second", requests(1, SECOND)),
        ("1persecond", requests(1, SECOND)),
        ("10/2minutes", requests(10, 2 * MINUTE)),
        ("10 per 2 minutes", requests(10, 2 * MINUTE)),
        ("10 / 2 Hours", requests(10, 2 * HOUR)),
        ("5/days", requests(5, DAY)),
        ("5/MINUTES", requests(5, MINUTE)),
        ("5/minute\n", requests(5, MINUTE)),
        (" \t5/minute", requests(5, MINUTE)),
        ("0/minute", requests(0, MINUTE)),
        ("1/0 second", requests(1, SECOND)),
        ("007/minute", requests(7, MINUTE)),
        ("3/month", requests(3, 30 * DAY)),
        ("3/year", requests(3, 360 * DAY)),
        ("3 PER 02 Years", requests(3, 720 * DAY)),
    ] {
        assert_eq!(text.parse(), Ok(meaning), "{text:?}");
        assert_eq!(Quota::parse_list(text), Ok(vec![meaning]), "{text:?} as a list");
    }
}

#[test]
fn lists_that_python_limits_reads_have_the_same_meaning() {
    let (daily, hourly) = (requests(5, DAY), requests(10, HOUR));
    for (text, meaning) in [
        ("5/day;10/hour", vec![daily, hourly]),
        ("5/day,10/hour|1/second", vec![daily, hourly, requests(1, SECOND)]),
        ("5/day:;10/hour", vec![daily, hourly]),
        ("5/day ; 10 per hour\n", vec![daily, hourly]),
        ("5/day;5/day", vec![daily, daily]),
    ] {
        assert_eq!(Quota::parse_list(text), Ok(meaning), "{text:?}");
    }
}

#[test]
fn what_is_no_quota_to_python_limits_nor_to_us_is_refused() {
    for text in [
        "",
        " ",
        "5",
        "5/",
        "/minute",
        "minute",
        "per minute",
        "5 minute",
        "5//minute",
        "5/2",
        "5/minute/2",
        "-1/second",
        "+1/second",
        "1.5/second",
        "٣/minute",
        "3/minuté",
        "5/day;",
        "; 5/day",
        "5/day;;5/day",
        "5/day:",
        "5/day:5/hour",
        "5 per per day",
        "5/fortnight",
        "5/-1 day",
        "five/day",
    ] {
        assert!(text.parse::<Quota>().is_err(), "{text:?}");
        assert!(Quota::parse_list(text).is_err(), "{text:?} as a list");
    }
}

#[test]
fn a_list_is_not_one_quota() {
    assert_eq!(blamed("5/day;10/hour"), ";");
}

#[test]
fn every_unit_is_read_in_any_case_singular_or_plural() {
    for (text, unit) in [
        ("5 requests/minute", Unit::Requests),
        ("5 request per minute", Unit::Requests),
        ("5items/minute", Unit::Items),
        ("5 Item per minute", Unit::Items),
        ("5 TOKENS/minute", Unit::Tokens),
        ("5 input_tokens/minute", Unit::InputTokens),
        ("5 output_token/minute", Unit::OutputTokens),
        ("5 bytes/minute", Unit::Bytes),
    ] {
        assert_eq!(text.parse(), requests(5, MINUTE).with_unit(unit), "{text:?}");
    }
}

#[test]
fn money_is_counted_to_the_nano_dollar() {
    for (text, nanos) in [
        ("20 usd/day", 20_000_000_000),
        ("0.5 usd/day", 500_000_000),
        ("1.000000001 usd/day", 1_000_000_001),
        ("0.000000001usd/day", 1),
        ("18446744073.709551615 usd/day", u64::MAX),
    ] {
        let quota: Quota = text.parse().expect(text);
        assert_eq!((quota.amount(), quota.unit()), (nanos, Unit::Usd), "{text:?}");
    }
    assert_eq!(blamed("0.0000000001 usd/day"), "0.0000000001");
    assert_eq!(blamed("18446744073.709551616 usd/day"), "18446744073.709551616");
    assert_eq!(blamed("18446744074 usd/day"), "18446744074");
}

#[test]
fn only_money_has_fractions() {
    for text in ["1.5 requests/day", "1.0 items/day", "2.5 tokens/day", "0.5 concurrent"] {
        assert_eq!(blamed(text), &text[..3], "{text:?}");
    }
    assert_eq!(blamed("5/1.5 days"), "1.5");
}

#[test]
fn a_burst_is_read_in_the_unit_of_its_quota() {
    let quota = |text: &str| text.parse::<Quota>().expect("a good quota");
    assert_eq!(Ok(quota("10/minute burst 3")), requests(10, MINUTE).with_burst(3));
    assert_eq!(quota("10/minute burst 30").burst_size(), 30);
    assert_eq!(quota("10/minute burst 10"), quota("10/minute"));
    assert_eq!(quota("20 usd/day burst 0.25").burst_size(), 250_000_000);
    assert_eq!(blamed("10/minute burst 0"), "0");
    assert_eq!(blamed("10/minute burst 1.5"), "1.5");
    assert_eq!(blamed("10/minute burst"), "");
    assert_eq!(blamed("10/minute burst lots"), "lots");
    // It would take longer to come back than a clock runs.
    assert_eq!(blamed("1/year burst 100"), "100");
}

#[test]
fn a_concurrent_quota_has_no_window() {
    let quota: Quota = "64 concurrent".parse().expect("a good quota");
    assert_eq!(quota, Quota::concurrent(64));
    assert_eq!(quota.algorithm(), Algorithm::Concurrent);
    assert_eq!(quota.window(), Duration::ZERO);
    assert_eq!(blamed("64 concurrent/minute"), "/minute");
    assert_eq!(blamed("64 concurrent burst 3"), "burst");
    assert_eq!(Quota::parse_list("8 concurrent; 10/minute").map(|list| list.len()), Ok(2));
}

#[test]
fn periods_may_be_short() {
    for (short, long) in [
        ("s sec secs", "second"),
        ("m min mins", "minute"),
        ("h hr hrs", "hour"),
        ("d", "day"),
        ("w", "week"),
        ("mo mos", "month"),
        ("y yr yrs Y", "year"),
    ] {
        for short in short.split(' ') {
            for text in ["10/", "10 per 3 "] {
                let written = format!("{text}{short}").parse::<Quota>();
                assert_eq!(written, format!("{text}{long}").parse(), "{short}");
            }
        }
    }
}

#[test]
fn digits_may_be_grouped() {
    assert_eq!("1_000_000/minute".parse(), Ok(requests(1_000_000, MINUTE)));
    assert!("_1/minute".parse::<Quota>().is_err());
}

#[test]
fn numbers_and_windows_that_are_too_large_are_named() {
    assert_eq!("18446744073709551615/day".parse::<Quota>().map(|quota| quota.amount()), Ok(u64::MAX));
    assert_eq!(blamed("18446744073709551616/day"), "18446744073709551616");
    assert_eq!(blamed("1/99999999999999999999 days"), "99999999999999999999");
    assert_eq!("1/18 years".parse::<Quota>().map(|quota| quota.window()), Ok(Quota::MAX_WINDOW));
    assert_eq!(blamed("1/19 years"), "19 years");
    assert_eq!(blamed("1 per 18446744073709551615 years "), "18446744073709551615 years");
}

#[test]
fn an_error_points_at_what_is_wrong_and_says_what_is_right() {
    for (text, wrong, advice) in [
        ("10/minuet", "minuet", "second, minute, hour"),
        ("10/ms", "ms", "the shortest is a second"),
        ("10 per 5 MS", "MS", "the shortest is a second"),
        ("10/q", "q", "second, minute, hour"),
        ("10 percent", "cent", "second, minute, hour"),
        ("10 apples/minute", "apples", "requests, items, tokens"),
        ("10", "", "`/` or `per`"),
        ("ten/minute", "ten/minute", "an amount"),
        ("10/minute please", "please", "burst"),
        ("10/minute é", "é", "burst"),
    ] {
        assert_eq!(blamed(text), wrong, "{text:?}");
        let message = error(text).to_string();
        assert!(message.contains(advice), "{text:?}: {message}");
    }
    let list = "5/day; 10/minuet; 1/second";
    let error = Quota::parse_list(list).expect_err("a bad list");
    assert_eq!(&list[error.span()], "minuet", "the span lies in the whole list");
}

#[test]
fn a_quota_is_written_in_its_shortest_form() {
    for (text, shortest) in [
        ("10 requests per 60 seconds", "10/minute"),
        ("10/90 seconds", "10/90 seconds"),
        ("10/120 minutes burst 2", "10/2 hours burst 2"),
        ("1 item per week", "1 items/7 days"),
        ("1.50 usd/month burst 0.5", "1.5 usd/30 days burst 0.5"),
        ("8 CONCURRENT", "8 concurrent"),
        ("0/minute", "0/minute"),
    ] {
        assert_eq!(text.parse::<Quota>().map(|quota| quota.to_string()), Ok(shortest.to_owned()));
    }
}

fn any_quota() -> impl Strategy<Value = Quota> {
    let amount = prop_oneof![0..200_u64, any::<u64>()];
    let window = prop_oneof![1..5_000_u64, 1..=Quota::MAX_WINDOW.as_secs()];
    let unit = prop::sample::select(&Unit::ALL[..]);
    (amount, window, unit, any::<Option<u64>>()).prop_filter_map("a good quota", |parts| {
        let (amount, window, unit, burst) = parts;
        if unit == Unit::Concurrent {
            return Some(Quota::concurrent(amount));
        }
        let quota = requests(amount, window).with_unit(unit).ok()?;
        // Bursts from one to about four times the amount.
        let burst = burst.map(|burst| burst % amount.saturating_mul(4).max(1)).filter(|burst| *burst > 0);
        Some(burst.and_then(|burst| quota.with_burst(burst).ok()).unwrap_or(quota))
    })
}

/// Texts that match the regular expression of Python's `limits`.
fn limits_text() -> impl Strategy<Value = (String, Quota)> {
    let space = "[ \t\n]{0,2}";
    let separator = (space, prop_oneof![Just("/"), Just("per"), Just("PER"), Just("Per")]);
    let period = prop::sample::select(vec![
        ("second", SECOND),
        ("minute", MINUTE),
        ("hour", HOUR),
        ("day", DAY),
        ("month", 30 * DAY),
        ("year", 360 * DAY),
    ]);
    let multiple = prop::option::of(0..18_u64);
    (space, any::<u64>(), separator, space, multiple, space, period, any::<[bool; 2]>(), space).prop_map(
        |(
            before,
            amount,
            (left, separator),
            right,
            multiple,
            gap,
            (name, seconds),
            [plural, loud],
            after,
        )| {
            let name = format!("{name}{}", if plural { "s" } else { "" });
            let name = if loud { name.to_uppercase() } else { name };
            let written = multiple.map(|multiple| multiple.to_string()).unwrap_or_default();
            let text = format!("{before}{amount}{left}{separator}{right}{written}{gap}{name}{after}");
            (text, requests(amount, multiple.unwrap_or(1).max(1) * seconds))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8 * ProptestConfig::default().cases))]

    #[test]
    fn what_is_written_reads_as_the_same_quota(quota in any_quota()) {
        prop_assert_eq!(quota.to_string().parse(), Ok(quota));
    }

    #[test]
    fn every_text_of_python_limits_is_read((text, meaning) in limits_text()) {
        prop_assert_eq!(text.parse(), Ok(meaning), "{:?}", text);
    }

    #[test]
    fn every_list_of_python_limits_is_read(
        parts in prop::collection::vec((limits_text(), ":?[;,|]"), 1..5),
    ) {
        let mut text = String::new();
        for (index, ((quota, _), separator)) in parts.iter().enumerate() {
            text.push_str(if index > 0 { separator } else { "" });
            text.push_str(quota);
        }
        let meanings: Vec<_> = parts.iter().map(|((_, meaning), _)| *meaning).collect();
        prop_assert_eq!(Quota::parse_list(&text), Ok(meanings), "{:?}", text);
    }

    #[test]
    fn no_text_panics_and_every_error_lies_in_its_text(text in any_text()) {
        for error in [text.parse::<Quota>().err(), Quota::parse_list(&text).err()].into_iter().flatten() {
            prop_assert!(text.get(error.span()).is_some(), "{:?} of {:?}", error.span(), text);
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

/// Any text at all, and texts of the grammar's own words in any order.
fn any_text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "1",
        "10",
        "_",
        ".",
        "0.5",
        "/",
        "per",
        "minute",
        "days",
        "usd",
        "items",
        "concurrent",
        "burst",
        ";",
        ":",
        ",",
        "|",
        " ",
        "\n",
        "é",
        "\u{a0}",
        "99999999999999999999",
        "-",
    ]);
    prop_oneof![".*", prop::collection::vec(words, 0..12).prop_map(|words| words.concat())]
}
