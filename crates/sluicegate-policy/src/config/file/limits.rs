//! `[defaults]`, `[limits.NAME]` and the entries of a route's `limits`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{OneOrMany, Period, Placed, store::OutageWord};
use crate::{DebtMode, Mode, OnExhausted, Reserve, SlotsUntil};

/// `[defaults]`: what limits and routes get that do not say otherwise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Defaults")]
pub struct DefaultsTable {
    /// Key of limits without one.
    #[schemars(extend("default" = "client_ip"))]
    pub key: Option<Placed<OneOrMany<String>>>,
    /// Algorithm of limits without one.
    #[schemars(extend("default" = "token-bucket"), with = "Option<AlgorithmWord>")]
    pub algorithm: Option<Placed<String>>,
    /// The limits of requests that match no route, and of routes without `limits`; one account for all of them.
    #[schemars(extend("default" = []))]
    pub limits: Option<Placed<OneOrMany<LimitEntry>>>,
    /// Request header fields that the upstream is not sent, where a route does not say.
    #[schemars(extend("default" = []))]
    pub remove_request_headers: Option<Placed<Vec<Placed<String>>>>,
    /// `Retry-After` of the upstream's own 408, 429, 503, 504 and 529 that name no time, in whole seconds, where a route does not
    /// say.
    pub retry_after: Option<Placed<Period>>,
    /// Event that frees slots of concurrent limits, for routes that do not say.
    #[schemars(extend("default" = "client-leaves"))]
    pub slots_until: Option<SlotsUntil>,
}

/// `[limits.NAME]`: a limit that several routes can name; all of them charge one account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Limit")]
pub struct LimitTable {
    /// Amount that an account may spend: `"100/minute"`, `"64 concurrent"`.
    pub quota: Placed<String>,
    /// Owner of the account.
    pub key: Option<Placed<OneOrMany<String>>>,
    /// Algorithm of the account.
    #[schemars(with = "Option<AlgorithmWord>")]
    pub algorithm: Option<Placed<String>>,
    /// Enforcement: the limit denies, or only records what it would deny.
    pub mode: Option<Mode>,
    /// Mode of the limit while the store is down.
    #[schemars(with = "Option<OutageWord>")]
    pub outage: Option<Placed<String>>,
    /// Tokens that a limit of tokens takes before a request runs.
    pub reserve: Option<Placed<Reserve>>,
    /// Tokens beyond the reservation: a debt that later requests wait for, or nobody's.
    pub debt: Option<Placed<DebtMode>>,
    /// The most tokens that one request adds to its caller's debt.
    #[schemars(range(min = 0))]
    pub max_debt: Option<Placed<i64>>,
    /// Fate of a stream that is longer than what was reserved for it, once the limit is spent.
    pub on_exhausted: Option<Placed<OnExhausted>>,
}

/// A limit that belongs to one route.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineLimit {
    /// The name in headers, logs and metrics; one is made from the route and the quota if it is not given.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    pub name: Option<Placed<String>>,
    /// Amount that an account may spend: `"100/minute"`, `"64 concurrent"`.
    pub quota: Placed<String>,
    /// Owner of the account.
    pub key: Option<Placed<OneOrMany<String>>>,
    /// Algorithm of the account.
    #[schemars(with = "Option<AlgorithmWord>")]
    pub algorithm: Option<Placed<String>>,
    /// Enforcement: the limit denies, or only records what it would deny.
    pub mode: Option<Mode>,
    /// Mode of the limit while the store is down.
    #[schemars(with = "Option<OutageWord>")]
    pub outage: Option<Placed<String>>,
    /// Tokens that a limit of tokens takes before a request runs.
    pub reserve: Option<Placed<Reserve>>,
    /// Tokens beyond the reservation: a debt that later requests wait for, or nobody's.
    pub debt: Option<Placed<DebtMode>>,
    /// The most tokens that one request adds to its caller's debt.
    #[schemars(range(min = 0))]
    pub max_debt: Option<Placed<i64>>,
    /// Fate of a stream that is longer than what was reserved for it, once the limit is spent.
    pub on_exhausted: Option<Placed<OnExhausted>>,
}

/// An entry of a list of limits.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged, rename = "LimitEntry")]
pub enum LimitEntry {
    /// The name of a limit in `[limits]`, a quota, or quotas that are joined by `;`.
    Text(String),
    /// A limit of its own.
    Table(Box<InlineLimit>),
}

impl<'de> Deserialize<'de> for LimitEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = LimitEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a limit's name, a quota or a table")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LimitEntry, E> {
        Ok(LimitEntry::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<LimitEntry, A::Error> {
        Box::deserialize(MapAccessDeserializer::new(table)).map(LimitEntry::Table)
    }
}

/// The schema of an algorithm's name: the engine's values know nothing of schemas.
struct AlgorithmWord;

impl JsonSchema for AlgorithmWord {
    fn schema_name() -> Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = sluicegate::Algorithm::ALL.map(sluicegate::Algorithm::as_str);
        json_schema!({ "type": "string", "enum": names, "description": "How an account is kept." })
    }
}
