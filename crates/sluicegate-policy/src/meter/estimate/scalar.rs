//! Single values in a request.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::BodyError;

/// A value whose parts do not matter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Truth(bool),
    Whole(u64),
    Negative,
    Float(f64),
    Text(String),
    Array,
    Object,
}

/// A number that a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Number {
    Whole(u64),
    /// Below zero, which servers take for "without a limit".
    Unlimited,
}

impl Scalar {
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number at `pointer`, rounded up. `null` is the same as nothing.
    pub(super) fn number(&self, pointer: &str) -> Result<Option<Number>, BodyError> {
        let why = match self {
            Self::Null => return Ok(None),
            Self::Whole(number) => return Ok(Some(Number::Whole(*number))),
            Self::Negative => return Ok(Some(Number::Unlimited)),
            Self::Float(number) if *number < 0.0 => return Ok(Some(Number::Unlimited)),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it ends at the largest number"
            )]
            Self::Float(number) => return Ok(Some(Number::Whole(number.ceil() as u64))),
            Self::Truth(_) => "a truth value",
            Self::Text(_) => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        };
        Err(BodyError::NotANumber(pointer.to_owned(), why))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
        Ok(Scalar::Truth(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Negative)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Scalar, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Scalar, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}
