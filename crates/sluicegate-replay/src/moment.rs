//! Moments of logs, to the nanosecond.

use std::fmt;

use sluicegate_http::decision_log::Time;
use sluicegate_policy::UtcTime;

/// A moment of a log: nanoseconds since 1970 began, in UTC. The last one is in the year 2554.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(u64);

impl Moment {
    /// So many nanoseconds after 1970 began.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970 began.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The moment so many nanoseconds earlier, but not before 1970.
    #[must_use]
    pub const fn earlier(self, nanos: u64) -> Self {
        Self(self.0.saturating_sub(nanos))
    }

    /// The moment so many nanoseconds later.
    #[must_use]
    pub const fn later(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Reads a moment in any form that logs have:
    ///
    /// * `2026-11-30T18:00:00.5Z`, as RFC 3339 writes it; a blank for the `T`, and UTC if there is no offset;
    /// * `30/Nov/2026:18:00:00 +0000`, as nginx and Apache write it;
    /// * `1796061600.5`, seconds since 1970.
    ///
    /// ```
    /// use sluicegate_replay::Moment;
    ///
    /// let moment = Moment::read("2026-11-30T18:00:00.5Z");
    /// assert_eq!(moment, Moment::read("30/Nov/2026:20:00:00 +0200").map(|moment| moment.later(500_000_000)));
    /// assert_eq!(moment, Moment::read("1796061600.5"));
    /// assert_eq!(Moment::read("yesterday"), None);
    /// ```
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        match (bytes.get(2), bytes.get(4)) {
            (Some(b'/'), _) => local(bytes),
            (_, Some(b'-')) => rfc_3339(bytes),
            _ => nanos_of_seconds(text).map(Self),
        }
    }
}

impl fmt::Display for Moment {
    /// To the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        UtcTime::from_unix(self.0 / NANOS).fmt(f)
    }
}

/// Reads seconds with any number of decimals, as nanoseconds. Digits beyond the nanosecond are dropped.
pub(crate) fn nanos_of_seconds(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return exponential(text);
    }
    let Some(fraction) = fraction(decimals.as_bytes()) else { return exponential(text) };
    whole.parse::<u64>().ok()?.checked_mul(NANOS)?.checked_add(fraction)
}

/// Reads a number such as `1.5e-5`, which JSON writers make of short times.
fn exponential(text: &str) -> Option<u64> {
    let seconds: f64 = text.parse().ok()?;
    let nanos = (seconds * 1e9).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..1.8e19).contains(&nanos).then_some(nanos as u64)
}

/// Nanoseconds of the digits behind a decimal point.
fn fraction(digits: &[u8]) -> Option<u64> {
    let mut nanos = 0;
    let mut unit = NANOS;
    for digit in digits {
        unit /= 10;
        nanos += u64::from(digit.is_ascii_digit().then(|| digit - b'0')?) * unit;
    }
    Some(nanos)
}

/// Reads `30/Nov/2026:18:00:00 +0000`.
fn local(text: &[u8]) -> Option<Moment> {
    let (clock, offset) = text.split_at_checked(20)?;
    let month = MONTHS.iter().position(|month| *month == &clock[3..6])? + 1;
    if (clock[6], clock[11]) != (b'/', b':') {
        return None;
    }
    let (tens, ones) = if month < 10 { (b'0', month) } else { (b'1', month - 10) };
    let month = [tens, b'0' + u8::try_from(ones).ok()?];
    calendar([&clock[7..11], &month, &clock[..2], &clock[12..]], 0, offset.strip_prefix(b" ")?)
}

/// Reads `2026-11-30T18:00:00.5Z`, and its relatives.
fn rfc_3339(text: &[u8]) -> Option<Moment> {
    let (clock, rest) = text.split_at_checked(19)?;
    if (clock[4], clock[7]) != (b'-', b'-') || !matches!(clock[10], b'T' | b't' | b' ') {
        return None;
    }
    let (digits, offset) = match rest.strip_prefix(b".") {
        None => (&[][..], rest),
        Some(rest) => {
            rest.split_at(rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len()))
        }
    };
    calendar([&clock[..4], &clock[5..7], &clock[8..10], &clock[11..]], fraction(digits)?, offset)
}

/// The moment of a year, month, day and time of day, which the type of the decision log reads.
fn calendar([year, month, day, clock]: [&[u8]; 4], nanos: u64, offset: &[u8]) -> Option<Moment> {
    let text = [year, b"-", month, b"-", day, b"T", clock, b"Z"];
    let mut written = [0; 20];
    let mut end = 0;
    for part in text {
        written.get_mut(end..end + part.len())?.copy_from_slice(part);
        end += part.len();
    }
    let time: Time = std::str::from_utf8(&written).ok()?.parse().ok()?;
    let ahead = minutes_ahead(offset)? * 60 * i64::try_from(NANOS).ok()?;
    time.nanoseconds().checked_add_signed(-ahead)?.checked_add(nanos).map(Moment)
}

/// Minutes that an offset from UTC is ahead: `Z`, `+0200`, `+02:00`, or none at all.
fn minutes_ahead(offset: &[u8]) -> Option<i64> {
    let (sign, digits) = match offset {
        [] | b"Z" | b"z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [_, _, b':', _, _] => (&digits[..2], &digits[3..]),
        [_, _, _, _] => (&digits[..2], &digits[2..]),
        _ => return None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * i64::try_from(hours * 60 + minutes).ok()?)
}

/// A number of nothing but digits.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

pub(crate) const NANOS: u64 = 1_000_000_000;

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_day_until_2400_is_read_back_from_what_is_written() {
        for day in 0..157_000 {
            let time = UtcTime::from_unix(day * 86_400 + 3_723);
            assert_eq!(Moment::read(&time.to_string()), Some(Moment(time.unix() * NANOS)), "{time}");
        }
    }

    #[test]
    fn an_offset_is_taken_away_and_decimals_count() {
        let noon = Moment::read("2026-11-21T12:00:00Z").unwrap();
        for text in ["2026-11-21T14:30:00+02:30", "2026-11-21 12:00:00", "21/Nov/2026:07:00:00 -0500"] {
            assert_eq!(Moment::read(text), Some(noon), "{text}");
        }
        assert_eq!(Moment::read("2026-11-21 12:00:00.6805900"), Some(noon.later(680_590_000)));
        assert_eq!(Moment::read("2026-11-21T12:00:00.1234567899Z"), Some(noon.later(123_456_789)));
    }

    #[test]
    fn seconds_of_json_are_read_with_and_without_an_exponent() {
        assert_eq!(nanos_of_seconds("0.000929675"), Some(929_675));
        assert_eq!(nanos_of_seconds("9.2e-5"), Some(92_000));
        assert_eq!(nanos_of_seconds("12"), Some(12 * NANOS));
        for text in ["", "-", "-1", "NaN", "inf", "1e30", "1.2.3", "99999999999999999999"] {
            assert_eq!(nanos_of_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_that_is_not_in_the_calendar_is_no_moment() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "31/Nov/2026:00:00:00 +0000",
        ] {
            assert_eq!(Moment::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9/:.+TZ -]{0,40}|\\PC{0,40}") {
            let _ = Moment::read(&text);
        }
    }
}
