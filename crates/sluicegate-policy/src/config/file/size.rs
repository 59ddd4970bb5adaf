//! Sizes as they are written: `"1MiB"`, or a number of bytes.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A size in bytes, as it is written: `"1MiB"`, `"64KiB"`, `"500kB"`, or a whole number of bytes.
///
/// `kB`, `MB`, `GB` are powers of 1000 and `KiB`, `MiB`, `GiB` are powers of 1024.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let (_, factor) = UNITS.into_iter().find(|(known, _)| *known == unit.trim_start()).ok_or(WRONG)?;
        let amount: u64 = digits.parse().map_err(|_| WRONG)?;
        amount.checked_mul(factor).map(Self).ok_or(WRONG)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"1MiB\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<Size, E> {
        Ok(Size(bytes))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
        u64::try_from(bytes).map(Size).map_err(|_| E::custom(WRONG))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "A size: \"1MiB\", \"64KiB\", \"500kB\", or a whole number of bytes.",
            "pattern": "^[0-9]+ *(B|kB|MB|GB|KiB|MiB|GiB)?$",
            "minimum": 0,
        })
    }
}

const WRONG: &str =
    "not a size\nwrite a whole number of bytes, or one with B, kB, MB, GB, KiB, MiB or GiB, as in \"1MiB\"";

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_carry_a_unit() {
        let bytes = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(bytes("1MiB"), Ok(1_048_576));
        assert_eq!(bytes("64 KiB"), Ok(65_536));
        assert_eq!(bytes("500kB"), Ok(500_000));
        assert_eq!(bytes("17"), Ok(17));
        for wrong in ["", "MiB", "1mib", "1.5MiB", "-1", "99999999999GiB", "1 MiB "] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
