//! `[[route]]`: which requests a list of limits is for.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{DescriptorTable, LimitEntry, Number, OneOrMany, Period, Placed, Status};
use crate::{Charging, Dialect, SlotsUntil};

/// `[[route]]`: which requests, or descriptors, a list of limits is for. The most specific route of a request wins.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route", extend("oneOf" = [{ "required": ["path"] }, { "required": ["descriptor"] }]))]
pub struct RouteTable {
    /// The path, or a template of paths: `/models/{model}/predict`, `/static/{*rest}`.
    #[schemars(regex(pattern = "^/"))]
    pub path: Option<Placed<String>>,
    /// The descriptors of Envoy's rate limit filter that the route is for, instead of a `path`.
    pub descriptor: Option<Placed<DescriptorTable>>,
    /// The meaning of a descriptor's hits: `"estimate"` of what a request is going to use, or `"actual"` usage, which is always
    /// charged, as a debt if nothing is left.
    #[schemars(extend("default" = "estimate"))]
    pub charge: Option<Placed<Charging>>,
    /// The methods, in upper case; all of them if there is no list.
    pub methods: Option<Placed<Vec<Placed<String>>>>,
    /// The tier that callers need; others get 403.
    pub tier: Option<Placed<String>>,
    /// Way to find usage in a request's body, and in the upstream's answer.
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

impl RouteTable {
    /// The place at which it says what it is for.
    #[must_use]
    pub fn start(&self) -> usize {
        let descriptor = self.descriptor.as_ref().map(Placed::start);
        self.path.as_ref().map(Placed::start).or(descriptor).unwrap_or_default()
    }
}

/// A meter: how usage is found in a request's body.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged, rename = "Meter")]
pub enum MeterEntry {
    /// `"bytes"`: the length of the body; `"kserve"`: the batch size of requests in KServe's protocol V2; `"openai"`,
    /// `"anthropic"`, `"ollama"`, `"llama.cpp"`, `"tgi"`, `"gemini"`, `"cohere"`: the tokens of requests to such a server.
    Word(String),
    /// `{ items = "/inputs", max = 64 }`: a batch's size. `{ tokens = "openai", default_output = 256 }`: tokens.
    /// `{ tokens = "json", prompt = "/text", usage = { output = "/tokens" } }`: tokens of any other server.
    Table(Box<MeterTable>),
}

/// A meter that reads JSON.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeterTable {
    /// A JSON pointer: the length of the array there, or the whole number there, is the number of items. Or `"kserve"`:
    /// the first dimension of the first input's shape.
    pub items: Option<Placed<String>>,
    /// With `items = "kserve"`: the name of the input whose shape has the batch, wherever it comes. Defaults to the first input.
    pub input: Option<Placed<String>>,
    /// With `items = "kserve"`: the dimension of the shape that is the batch, from 0.
    #[schemars(range(min = 0), extend("default" = 0))]
    pub dimension: Option<Placed<i64>>,
    /// The most items of one request; larger requests get 413.
    #[schemars(range(min = 1))]
    pub max: Option<Placed<i64>>,
    /// Interface of the server whose tokens are counted.
    #[schemars(with = "Option<DialectWord>")]
    pub tokens: Option<Placed<String>>,
    /// Output tokens that are reserved for each choice of a request that names no maximum, until enough answers have shown
    /// how long they are.
    #[schemars(range(min = 1), extend("default" = 1024))]
    pub default_output: Option<Placed<i64>>,
    /// Counting of the input before a request runs, by the upstream itself: `"upstream"`, or the path of its endpoint, such as
    /// `"/tokenize"`. Without it the input is estimated. Only the gateway heeds it.
    #[schemars(regex(pattern = "^(upstream$|/)"))]
    pub count: Option<Placed<String>>,
    /// Maximum time to wait for such a count. The estimate takes the place of one that comes later.
    #[schemars(extend("default" = "250ms"))]
    pub count_timeout: Option<Placed<Period>>,
    /// File of the model's own tokenizer, a `tokenizer.json`, which counts the input before a request runs. Only the gateway heeds
    /// it, if it is built with the feature `tokenizers`.
    pub tokenizer: Option<Placed<String>>,
    /// Weights of the classes of tokens; 1 for each class that is left out.
    #[schemars(extend("default" = {}))]
    pub weights: BTreeMap<Placed<String>, Placed<Number>>,
    /// Statuses of the upstream's failed answers that give back the tokens of their requests. `[]` is none.
    #[schemars(extend("default" = ["4xx", "5xx"]))]
    pub refund: Option<Placed<Vec<Placed<Status>>>>,
    /// With `tokens = "json"`: JSON pointers to the texts of a request that the model reads.
    pub prompt: Option<Placed<OneOrMany<String>>>,
    /// With `tokens = "json"`: JSON pointers to the maximum of output tokens in a request. The largest counts.
    pub max_output: Option<Placed<OneOrMany<String>>>,
    /// With `tokens = "json"`: JSON pointers to the number of choices in a request.
    pub choices: Option<Placed<OneOrMany<String>>>,
    /// With `tokens = "json"`: JSON pointers to the name of the model in a request. The path may name it, too.
    pub model: Option<Placed<OneOrMany<String>>>,
    /// With `tokens = "json"`: JSON pointers to `true` in a request for a stream. The path may ask for one, too.
    pub stream: Option<Placed<OneOrMany<String>>>,
    /// With `tokens = "json"`: JSON pointers to the texts of an answer that the model has made.
    pub text: Option<Placed<OneOrMany<String>>>,
    /// With `tokens = "json"`: JSON pointers to the numbers of tokens in an answer, by their classes, and `total`.
    #[schemars(extend("default" = {}))]
    pub usage: BTreeMap<Placed<String>, Placed<OneOrMany<String>>>,
    /// With `tokens = "json"`: classes that the server counts beside its input and output, and not inside.
    #[schemars(extend("default" = []))]
    pub beside: Vec<Placed<String>>,
    /// With `tokens = "json"`: classes of which each event of a stream reports its own tokens, so that they are added up.
    #[schemars(extend("default" = []))]
    pub summed: Vec<Placed<String>>,
}

impl MeterTable {
    /// The interface that is no named one: the table says where its tokens are.
    pub const JSON: &str = "json";
}

/// The schema of a dialect's name.
struct DialectWord;

impl JsonSchema for DialectWord {
    fn schema_name() -> Cow<'static, str> {
        "Dialect".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Dialect::ALL.map(Dialect::name).into_iter().chain([MeterTable::JSON]).collect();
        json_schema!({ "type": "string", "enum": names, "description": "The interface of a model server." })
    }
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
        f.write_str("\"bytes\", \"kserve\", the name of a server's interface or { items = \"/pointer\" }")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<MeterEntry, E> {
        Ok(MeterEntry::Word(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<MeterEntry, A::Error> {
        MeterTable::deserialize(MapAccessDeserializer::new(table)).map(Box::new).map(MeterEntry::Table)
    }
}
