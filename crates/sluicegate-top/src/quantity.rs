//! Numbers as people read them, in few columns.

use std::time::Duration;

/// Shown for what is not known yet.
pub(crate) const UNKNOWN: &str = "-";

/// A count or a rate in at most five characters: `0`, `0.4`, `37`, `1.2k`, `3.4M`.
pub(crate) fn number(value: f64) -> String {
    let scales = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let scale = scales.into_iter().find(|(scale, _)| value >= scale * 9.995);
    match scale {
        Some((scale, suffix)) if value / scale < 99.95 => format!("{:.1}{suffix}", value / scale),
        Some((scale, suffix)) => format!("{:.0}{suffix}", value / scale),
        None if value < 9.95 && value.fract() > 1e-9 => format!("{value:.1}"),
        None => format!("{value:.0}"),
    }
}

/// The same of a value that may be unknown.
pub(crate) fn number_or_unknown(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), number)
}

/// A part of a whole, in percent.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0}%", 100.0 * part / whole) } else { UNKNOWN.to_owned() }
}

/// Seconds in at most five characters: `2.5µs`, `38ms`, `1.2s`.
pub(crate) fn seconds(value: Option<f64>) -> String {
    let Some(value) = value else { return UNKNOWN.to_owned() };
    let (value, unit) = match value {
        value if value < 0.000_999_5 => (value * 1e6, "µs"),
        value if value < 0.9995 => (value * 1e3, "ms"),
        value => (value, "s"),
    };
    if value < 9.95 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") }
}

/// A time that has passed, in its largest unit: `0s`, `59s`, `3m`, `2h`, `5d`.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3_600 => format!("{}m", seconds / 60),
        seconds @ ..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_five_characters_whatever_its_size() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0.0"),
            (0.4, "0.4"),
            (7.0, "7"),
            (9.96, "10"),
            (1_234.0, "1234"),
            (12_345.0, "12.3k"),
            (123_456.0, "123k"),
            (9_994_999.0, "9995k"),
            (12_345_678.0, "12.3M"),
        ] {
            assert_eq!(number(value), text, "{value}");
            assert!(number(value).len() <= 5);
        }
    }

    #[test]
    fn a_time_has_the_unit_in_which_it_is_short() {
        for (value, text) in [
            (2.5e-6, "2.5µs"),
            (0.000_25, "250µs"),
            (0.001, "1.0ms"),
            (0.038, "38ms"),
            (1.23, "1.2s"),
            (300.0, "300s"),
        ] {
            assert_eq!(seconds(Some(value)), text);
        }
        assert_eq!(seconds(None), "-");
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let ages = [0, 59, 60, 7_200, 200_000].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["0s", "59s", "1m", "2h", "2d"]);
    }

    #[test]
    fn a_share_of_nothing_is_unknown() {
        assert_eq!([percent(1.0, 3.0), percent(0.0, 0.0)], ["33%", "-"]);
    }
}
