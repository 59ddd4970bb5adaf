//! Statuses of HTTP.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A status of HTTP, or a class of them, as it is written: `429`, `"429"`, `"5xx"`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status(pub String);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Status;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as \"5xx\" or 429")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Status, E> {
        Ok(Status(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Status, E> {
        Ok(Status(number.to_string()))
    }
}

impl JsonSchema for Status {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "pattern": "^[45](xx|[0-9]{2})$" },
            { "type": "integer", "minimum": 400, "maximum": 599 },
        ] })
    }
}
