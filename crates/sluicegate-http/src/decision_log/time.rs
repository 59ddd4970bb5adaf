//! Times of the log.

use std::{borrow::Cow, fmt, str::FromStr, time::SystemTime};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use sluicegate_policy::UtcTime;

/// A moment in nanoseconds since 1970 began, written as RFC 3339 writes it in UTC, with nine digits of the second.
///
/// ```
/// use sluicegate_http::decision_log::Time;
///
/// let time: Time = "2026-11-30T18:00:00.123456789Z".parse()?;
/// assert_eq!(time.nanoseconds(), 1_796_061_600_123_456_789);
/// assert_eq!(time.to_string(), "2026-11-30T18:00:00.123456789Z");
/// # Ok::<(), sluicegate_http::decision_log::NoTime>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(u64);

/// A text that is no time as the log writes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoTime;

impl Time {
    /// So many nanoseconds after 1970 began. The last is in the year 2554.
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since 1970 began.
    #[must_use]
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// Seconds since 1970 began, and the nanoseconds of the second.
    pub(crate) const fn parts(self) -> (u64, u32) {
        (self.0 / PER_SECOND, (self.0 % PER_SECOND) as u32)
    }
}

impl From<SystemTime> for Time {
    /// A machine whose clock stands before 1970 has its calendar begin there.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = self.parts();
        let second = UtcTime::from_unix(seconds).to_string();
        write!(f, "{}.{nanoseconds:09}Z", second.trim_end_matches('Z'))
    }
}

impl FromStr for Time {
    type Err = NoTime;

    /// Takes fewer digits of the second, too, and none.
    fn from_str(text: &str) -> Result<Self, NoTime> {
        let rest = text.strip_suffix('Z').ok_or(NoTime)?.as_bytes();
        let (whole, fraction) = rest.split_at_checked(19).ok_or(NoTime)?;
        for (place, separator) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
            if whole[place] != separator {
                return Err(NoTime);
            }
        }
        let field = |from: usize, to: usize, least: u64, most: u64| {
            number(&whole[from..to]).filter(|value| (least..=most).contains(value)).ok_or(NoTime)
        };
        let (year, month, day) = (field(0, 4, 1970, 9999)?, field(5, 7, 1, 12)?, field(8, 10, 1, 31)?);
        let (hour, minute, second) = (field(11, 13, 0, 23)?, field(14, 16, 0, 59)?, field(17, 19, 0, 59)?);
        let nanoseconds = match fraction {
            [] => 0,
            [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
                let missing = u32::try_from(9 - digits.len()).map_err(|_| NoTime)?;
                number(digits).ok_or(NoTime)? * 10_u64.pow(missing)
            }
            _ => return Err(NoTime),
        };
        let time = UtcTime::on(year, month, day, hour * 3_600 + minute * 60 + second).ok_or(NoTime)?;
        let since = time.unix().checked_mul(PER_SECOND).and_then(|since| since.checked_add(nanoseconds));
        since.map(Self).ok_or(NoTime)
    }
}

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time like 2026-11-30T18:00:00.123456789Z, from 1970 to 2554")
    }
}

impl std::error::Error for NoTime {}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time in UTC")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map_err(|error| E::custom(format_args!("`{}` is {error}", text.escape_debug())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{9}Z$",
        })
    }
}

/// The number that these digits write, of which there are at most nine.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

const PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_fewer_digits_too() {
        for (text, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:01.5Z", 1_500_000_000),
            ("2000-02-29T23:59:59.000000001Z", 951_868_799_000_000_001),
        ] {
            assert_eq!(text.parse(), Ok(Time(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_times_are_refused() {
        for text in [
            "",
            "Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00+01:00Z",
            "+026-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            "2026-01-01T00:00:0ðZ",
        ] {
            assert_eq!(text.parse::<Time>(), Err(NoTime), "{text}");
        }
    }

    #[test]
    fn the_last_moment_reads_back() {
        let last = Time(u64::MAX);
        assert_eq!(last.to_string().parse(), Ok(last));
    }
}
