//! An entry of `gateway.upstream`: one of the servers that are protected.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer, value::StrDeserializer},
};

use super::Placed;
use crate::Upstream;

/// One of the servers that are protected.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged, rename = "UpstreamEntry")]
pub enum UpstreamEntry {
    /// Its URL: `http://host:port`, with a base path if it has one.
    Url(Upstream),
    /// Its URL, its share of the requests, and the host that it is told.
    Table(UpstreamTable),
}

/// A server, its share of the requests, and the host that it is told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WeightedUpstream")]
pub struct UpstreamTable {
    /// URL: `http://host:port`, with a base path if it has one.
    pub url: Upstream,
    /// Number of requests for each one that an upstream of weight 1 gets, 1 to 1000.
    #[schemars(range(min = 1, max = 1000), extend("default" = 1))]
    pub weight: Option<Placed<i64>>,
    /// The `Host` that it is told: `"upstream"` for the one in its URL, or any other, with a port if it has one. Default:
    /// the client's.
    pub host: Option<Placed<String>>,
}

impl<'de> Deserialize<'de> for UpstreamEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = UpstreamEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL or { url = \"http://host:port\", weight = 2 }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<UpstreamEntry, E> {
        Upstream::deserialize(StrDeserializer::new(text)).map(UpstreamEntry::Url)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<UpstreamEntry, A::Error> {
        UpstreamTable::deserialize(MapAccessDeserializer::new(table)).map(UpstreamEntry::Table)
    }
}
