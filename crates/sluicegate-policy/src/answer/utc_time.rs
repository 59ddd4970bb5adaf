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
        let minutes = u64::from(time.hour) * 60 + u64::from(time.minute);
        let second = minutes * 60 + u64::from(time.second.unwrap_or(0));
        let local = Self::on(date.year.into(), date.month.into(), date.day.into(), second)?;
        local.0.checked_add_signed(-60 * minutes_ahead).map(Self::from_unix)
    }

    /// So many seconds after this day began, if the calendar has it, and no earlier than 1970.
    ///
    /// ```
    /// use sluicegate_policy::UtcTime;
    ///
    /// let noon = UtcTime::on(2025, 8, 21, 12 * 3_600).map(|time| time.to_string());
    /// assert_eq!(noon.as_deref(), Some("2025-08-21T12:00:00Z"));
    /// assert_eq!(UtcTime::on(2025, 2, 29, 0), None);
    /// ```
    #[must_use]
    pub fn on(year: u64, month: u64, day: u64, second: u64) -> Option<Self> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = days(year, month, day);
        // The calendar has no 30th of February, but a day of March in its place.
        (date(days) == (year, month, day))
            .then(|| Self::from_unix(days.saturating_mul(PER_DAY).saturating_add(second)))
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
        let (days, second) = (self.0 / PER_DAY, self.0 % PER_DAY);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The year, month and day so many days after 1970 began.
///
/// Years begin in March here, so that the day that leap years have more is the last. A month's number of days before it
/// is (153 m + 2) / 5 then.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / PER_400_YEARS, days % PER_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, january) = (day - (153 * month + 2) / 5 + 1, month >= 10);
    (era * 400 + year + january as u64, if january { month - 9 } else { month + 3 }, day)
}

/// Days from the beginning of 1970 to this day of a later year.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - DAYS_TO_1970
}

const PER_DAY: u64 = 86_400;
const PER_400_YEARS: u64 = 146_097;
/// From the first of March of the year 0.
const DAYS_TO_1970: u64 = 719_468;
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
    fn every_day_until_2554_reads_back() {
        let mut before = (0, 0, 0);
        for day in 0..213_000 {
            let (year, month, of_month) = date(day);
            assert!(before < (year, month, of_month), "{before:?} comes before {:?}", date(day));
            assert_eq!(days(year, month, of_month), day);
            before = (year, month, of_month);
        }
        assert_eq!(date(11_016), (2000, 2, 29));
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
