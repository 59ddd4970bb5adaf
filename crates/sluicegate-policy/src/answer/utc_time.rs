//! A moment of the calendar, to the second.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use toml::value::{Datetime, Offset};

/// A moment of the calendar in UTC, to the second; displayed as RFC 3339 writes it.
///
/// ```
/// use sluicegate_policy::UtcTime;
///
/// assert_eq!(UtcTime::from_unix(1_755_780_059).to_string(), "2025-08-21T12:40:59Z");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UtcTime(u64);

impl UtcTime {
    /// So many seconds after 1970 began; the year 9999 is the last that RFC 3339 can write.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(if seconds < LAST { seconds } else { LAST })
    }

    /// Seconds since 1970 began.
    #[must_use]
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// The moment that a TOML date-time names, if it says its offset from UTC and is no earlier than 1970.
    pub(crate) fn of(written: Datetime) -> Option<Self> {
        let (date, time) = (written.date?, written.time?);
        let minutes_ahead = match written.offset? {
            Offset::Z => 0,
            Offset::Custom { minutes } => i64::from(minutes),
        };
        let days = days_before_year(date.year.checked_sub(1970).map(|_| u64::from(date.year))?)
            + days_before_month(date.year, date.month)
            + u64::from(date.day)
            - 1
            - days_before_year(1970);
        let hours = days * 24 + u64::from(time.hour);
        let seconds = (hours * 60 + u64::from(time.minute)) * 60 + u64::from(time.second.unwrap_or(0));
        seconds.checked_add_signed(-60 * minutes_ahead).map(Self::from_unix)
    }
}

impl From<SystemTime> for UtcTime {
    /// Rounded down; a machine whose clock stands before 1970 has its calendar begin there.
    fn from(time: SystemTime) -> Self {
        Self::from_unix(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, second) = (self.0 / 86_400 + days_before_year(1970), self.0 % 86_400);
        // An estimate that is never too late, and at most one year too early.
        let mut year = days / 366 + 1;
        while days_before_year(year + 1) <= days {
            year += 1;
        }
        days -= days_before_year(year);
        let year = u16::try_from(year).map_err(|_| fmt::Error)?;
        let month = (1..=12).rev().find(|month| days_before_month(year, *month) <= days).unwrap_or(1);
        let day = days - days_before_month(year, month) + 1;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Days of the Gregorian calendar before the first of January of `year`, counted from the year 1.
const fn days_before_year(year: u64) -> u64 {
    let years = year - 1;
    years * 365 + years / 4 - years / 100 + years / 400
}

/// Days before the first of `month`, which is 1 to 12, in `year`.
fn days_before_month(year: u16, month: u8) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days: u64 = DAYS_IN_MONTH.iter().take(usize::from(month).saturating_sub(1)).sum();
    days + u64::from(leap && month > 2)
}

const DAYS_IN_MONTH: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/// 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339_writes_it() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_735_603_200, "2024-12-31T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(UtcTime::from_unix(seconds).to_string(), text);
        }
    }

    #[test]
    fn every_day_is_read_back_from_what_is_written() {
        for day in 0..200_000 {
            let time = UtcTime::from_unix(day * 86_400 + 3_723);
            assert_eq!(UtcTime::of(time.to_string().parse().unwrap()), Some(time));
        }
    }

    #[test]
    fn an_offset_is_taken_away() {
        let noon = UtcTime::of("2026-11-21T12:00:00Z".parse().unwrap());
        assert_eq!(UtcTime::of("2026-11-21T14:30:00+02:30".parse().unwrap()), noon);
        assert_eq!(UtcTime::of("2026-11-21T07:00:00.999-05:00".parse().unwrap()), noon);
    }

    #[test]
    fn what_names_no_moment_is_none() {
        for text in
            ["2026-11-21", "12:00:00", "2026-11-21T12:00:00", "1969-12-31T00:00:00Z", "0000-01-01T00:00:00Z"]
        {
            assert_eq!(UtcTime::of(text.parse().unwrap()), None, "{text}");
        }
    }
}
