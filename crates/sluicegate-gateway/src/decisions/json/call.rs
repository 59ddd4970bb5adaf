//! The calls, as JSON has them.

use std::{fmt, net::IpAddr};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor},
};
use serde_json::value::RawValue;

/// `/take` and `/peek`: a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking<'b> {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) client_ip: Option<IpAddr>,
    #[serde(default)]
    pub(super) headers: Headers,
    /// As it is written.
    #[serde(borrow)]
    pub(super) body: Option<&'b RawValue>,
    pub(super) cost: Option<Whole>,
    /// In seconds.
    pub(super) lease: Option<f64>,
}

/// `/settle`: what a request has used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settling {
    pub(super) permit: String,
    pub(super) usage: Option<Usage>,
    pub(super) cost: Option<Whole>,
}

/// `/release`: a request that has never run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Releasing {
    pub(super) permit: String,
}

/// The usage of a request, by the units of quotas.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Usage {
    pub(super) requests: Option<Whole>,
    pub(super) items: Option<Whole>,
    pub(super) tokens: Option<Whole>,
    pub(super) input_tokens: Option<Whole>,
    pub(super) output_tokens: Option<Whole>,
    pub(super) bytes: Option<Whole>,
}

/// Header fields: a text for each name, or a list of texts.
#[derive(Debug, Default)]
pub(super) struct Headers(pub(super) Vec<(String, Vec<u8>)>);

/// A whole number. Some languages write one with a point: `5.0`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole(pub(super) u64);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers, each a text or a list of texts")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Headers, M::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            match map.next_value::<OneOrMany>()? {
                OneOrMany::One(text) => fields.push((name, text.into_bytes())),
                OneOrMany::Many(texts) => {
                    fields.extend(texts.into_iter().map(|text| (name.clone(), text.into_bytes())));
                }
            }
        }
        Ok(Headers(fields))
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Whole {
    /// The largest number that every language's JSON tells exactly.
    const MAX: u64 = (1 << 53) - 1;
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number)
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {}", Whole::MAX)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        if number > Whole::MAX {
            return Err(E::invalid_value(Unexpected::Unsigned(number), &self));
        }
        Ok(Whole(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    #[expect(clippy::cast_precision_loss, reason = "such numbers are exact")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
        if number.fract() != 0.0 || !(0.0..=Whole::MAX as f64).contains(&number) {
            return Err(E::invalid_value(Unexpected::Float(number), &self));
        }
        Ok(Whole(number as u64))
    }
}
