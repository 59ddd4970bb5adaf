//! Durations as they are written: `"30s"`, `"1h30m"`.

use std::{borrow::Cow, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::text;

/// A duration as it is written: whole numbers with units, the larger unit first: `"30s"`, `"1h30m"`, `"250ms"`.
///
/// At most a day. A bare `0` is a duration, any other bare number is not: it does not say of what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Period(pub Duration);

impl Period {
    /// The longest.
    pub const MAX: Duration = Duration::from_secs(86_400);
}

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str =
            "not a duration\nwrite whole numbers with ms, s, m, h or d, as in \"30s\" or \"1h30m\"";
        const LONG: &str = "too long a duration\ngive at most \"24h\"";
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut rest = text;
        let mut total: u64 = 0;
        let mut last_unit = u64::MAX;
        while !rest.is_empty() {
            let (digits, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).ok_or(WRONG)?);
            let (name, behind) =
                behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
            let (_, unit) = UNITS.into_iter().find(|(known, _)| *known == name).ok_or(WRONG)?;
            if digits.is_empty() || unit >= last_unit {
                return Err(WRONG);
            }
            let amount: u64 = digits.parse().map_err(|_| LONG)?;
            total = amount.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or(LONG)?;
            last_unit = unit;
            rest = behind;
        }
        match Duration::from_millis(total) {
            _ if text.is_empty() => Err(WRONG),
            long if long > Self::MAX => Err(LONG),
            period => Ok(Self(period)),
        }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parsed(deserializer, "a duration such as \"30s\"")
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration: whole numbers with ms, s, m, h or d, as in \"30s\" or \"1h30m\".",
            "pattern": "^(0|(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$",
        })
    }
}

/// In milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units_the_larger_first() {
        let seconds = |text: &str| text.parse::<Period>().map(|period| period.0.as_secs_f64());
        assert_eq!(seconds("30s"), Ok(30.0));
        assert_eq!(seconds("1h30m"), Ok(5_400.0));
        assert_eq!(seconds("1s250ms"), Ok(1.25));
        assert_eq!(seconds("1d"), Ok(86_400.0));
        assert_eq!(seconds("0"), Ok(0.0));
        for wrong in
            ["", "30", "s", "30 s", "1m1h", "1m1m", "-1s", "1.5s", "30S", "99999999999999999999s", "25h"]
        {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
    }
}
