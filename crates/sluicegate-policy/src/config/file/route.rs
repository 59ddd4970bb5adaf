//! `[[route]]`: which requests a list of limits is for.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{LimitEntry, OneOrMany, Period, Placed};
use crate::SlotsUntil;

/// `[[route]]`: which requests a list of limits is for. The most specific route of a request wins.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
pub struct RouteTable {
    /// The path, or a template of paths: `/models/{model}/predict`, `/static/{*rest}`.
    #[schemars(regex(pattern = "^/"))]
    pub path: Placed<String>,
    /// The methods, in upper case; all of them if there is no list.
    pub methods: Option<Placed<Vec<Placed<String>>>>,
    /// The tier that callers need; others get 403.
    pub tier: Option<Placed<String>>,
    /// Way to find usage in a request's body.
    pub meter: Option<Placed<OneOrMany<MeterEntry>>>,
    /// Number of `requests` that each request costs.
    #[schemars(range(min = 1), extend("default" = 1))]
    pub weight: Option<Placed<i64>>,
    /// The limits; those of `[defaults]` if there is no list, and none if the list is empty.
    pub limits: Option<Placed<OneOrMany<LimitEntry>>>,
    /// Maximum time from the whole request to the head of the upstream's response. Defaults to that of
    /// `[gateway]`.
    pub response_timeout: Option<Placed<Period>>,
    /// Maximum time without a byte moving in a streaming body. Defaults to that of `[gateway]`.
    pub idle_timeout: Option<Placed<Period>>,
    /// Maximum time in total, from sending the request to the upstream to the last byte of the response.
    /// Unlimited by default.
    pub timeout: Option<Placed<Period>>,
    /// Request header fields that the upstream is not sent; those of `[defaults]` if there is no list.
    pub remove_request_headers: Option<Placed<Vec<Placed<String>>>>,
    /// `Retry-After` of the upstream's own 408, 429, 503, 504 and 529 that name no time, in whole seconds; that of `[defaults]`
    /// if it is left out.
    pub retry_after: Option<Placed<Period>>,
    /// Event that frees a request's slots of concurrent limits. Defaults to that of `[defaults]`.
    pub slots_until: Option<Placed<SlotsUntil>>,
}

/// A meter: how usage is found in a request's body.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged, rename = "Meter")]
pub enum MeterEntry {
    /// `"bytes"`: the length of the body; `"kserve"`: the batch size of requests in KServe's protocol V2.
    Word(String),
    /// `{ items = "/inputs", max = 64 }`: a batch's size.
    Table(MeterTable),
}

/// A meter that reads JSON.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeterTable {
    /// A JSON pointer: the length of the array there, or the whole number there, is the number of items. Or `"kserve"`:
    /// the first dimension of the first input's shape.
    pub items: Placed<String>,
    /// The most items of one request; larger requests get 413.
    #[schemars(range(min = 1))]
    pub max: Option<Placed<i64>>,
}

impl<'de> Deserialize<'de> for MeterEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = MeterEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"bytes\", \"kserve\" or { items = \"/pointer\" }")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<MeterEntry, E> {
        Ok(MeterEntry::Word(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<MeterEntry, A::Error> {
        MeterTable::deserialize(MapAccessDeserializer::new(table)).map(MeterEntry::Table)
    }
}
