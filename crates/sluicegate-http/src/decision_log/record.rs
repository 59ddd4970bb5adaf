//! The lines of the log, as types: each line is one [`Record`] in JSON.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use sluicegate_policy::Mode;

use super::Time;

/// One line of the log.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
#[schemars(title = "A line of Sluicegate's decision log")]
pub enum Record<'a> {
    /// A gateway begins to write.
    #[serde(borrow)]
    Start(Start<'a>),
    /// A request has been decided.
    #[serde(borrow)]
    Decision(Decision<'a>),
    /// A request that runs has taken more than its decision did, because its response is longer than expected.
    #[serde(borrow)]
    Extend(Extend<'a>),
    /// An allowed request has ended: its costs are settled, and its slots of concurrent limits are free.
    #[serde(borrow)]
    End(End<'a>),
    /// An operator has reset accounts: they are as if they had never been used.
    #[serde(borrow)]
    Reset(Reset<'a>),
}

/// A gateway begins to write.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Start<'a> {
    /// The time.
    pub time: Time,
    /// The process: the first six digits of the ids of its requests.
    #[serde(borrow)]
    pub process: Cow<'a, str>,
    /// The kind of store: `memory`, `redis` or `memcached`.
    pub store: Cow<'a, str>,
    /// Tells if accounts in memory begin anew: not if a running gateway begins to write, or writes to another file.
    pub fresh: bool,
}

/// A request has been decided.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Decision<'a> {
    /// The request, by 16 hexadecimal digits; the first six are those of its process.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The time of the decision on the store's clock, exact to the nanosecond if the store is in memory. Otherwise the
    /// time at which the store had answered.
    pub time: Time,
    /// The method.
    pub method: Cow<'a, str>,
    /// The route: the path as the policy writes it, or `unmatched`.
    pub route: Cow<'a, str>,
    /// The path as it was sent, without the query.
    pub path: Cow<'a, str>,
    /// The outcome.
    pub outcome: Outcome,
    /// The status of the response, if the request was not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The code of the error in the response, if the request was refused: the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
    /// The scale of all limits, if the upstream was warming up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<f64>,
    /// The caller: each part that a key of the request's limits names, by its name in the policy, and `client_ip`,
    /// `api_key` (its id), `tenant` and `tier` where they are known.
    pub keys: Keys<'a>,
    /// The cost of the request in each unit that its limits count.
    pub cost: Costs,
    /// The limits that judged the request, the enforced ones before those in shadow mode. A denied request was charged
    /// nothing, and no limit in shadow mode judged it.
    pub limits: Vec<LimitDecision<'a>>,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It passed, and was charged.
    Allowed,
    /// A limit was spent.
    Denied,
    /// Something was wrong with it, or the store did not answer. It was charged nothing.
    Refused,
}

/// The judgement of one limit.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LimitDecision<'a> {
    /// The name of the limit.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Its enforcement.
    pub mode: Mode,
    /// The account: a hash of its key, or the key itself if the policy says so.
    pub key: Cow<'a, str>,
    /// The charge, in the limit's unit; money in nano-dollars.
    pub charge: u64,
    /// Tells if the charge fitted.
    pub allowed: bool,
    /// The units left on the account after this.
    pub remaining: u64,
    /// Seconds until the charge fits, 0 if it did. `null` if time alone does not help.
    pub wait: Option<f64>,
    /// Nanoseconds from the line's time until this limit decided, if it decided later.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_ns: u64,
}

/// A request that runs has taken more than its decision did.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Extend<'a> {
    /// The request.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The time at which the store took it.
    pub time: Time,
    /// The limits that were charged, each with what was taken in addition.
    pub limits: Vec<LimitCharge<'a>>,
}

/// An allowed request has ended.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct End<'a> {
    /// The request.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The time at which its charges were settled and its slots given back.
    pub time: Time,
    /// The status of the response. `null` if there was none, because the client left.
    pub status: Option<u16>,
    /// The code of the error in the response, if the upstream did not give one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
    /// Tells if the upstream's response came to its end.
    pub complete: bool,
    /// Seconds since the decision.
    pub duration: f64,
    /// The limits whose charges were settled, each with what the account was charged in the end. It replaces the
    /// decision's charge and all that was taken in addition. All other charges stay.
    pub limits: Vec<LimitCharge<'a>>,
    /// The tokens that the request has used, if its route meters them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

/// An operator has reset accounts.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Reset<'a> {
    /// The time.
    pub time: Time,
    /// The process, as in its start.
    #[serde(borrow)]
    pub process: Cow<'a, str>,
    /// The keys of the accounts. Each value in them that may tell who somebody is has the form that it has in the keys of a
    /// decision.
    pub accounts: Vec<Cow<'a, str>>,
}

/// The charge of one limit.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LimitCharge<'a> {
    /// The name of the limit.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The charge, in the limit's unit; money in nano-dollars.
    pub charge: u64,
}

/// The tokens of a request, before weights.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Tokens {
    /// Tokens that the model has read.
    pub input: u64,
    /// Tokens that it has written.
    pub output: u64,
}

/// The cost of a request, by unit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Costs {
    /// Requests: the route's weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Items of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Tokens, input and output together, as reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Input tokens, as reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Output tokens, as reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Bytes of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Money, in nano-dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<u64>,
}

/// The parts of a caller's keys, in the order of the line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Keys<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Record<'a> {
    /// Reads a line. It borrows from the line what needs no unescaping.
    ///
    /// # Errors
    ///
    /// If the line is not a record.
    pub fn parse(line: &'a str) -> Result<Self, serde_json::Error> {
        // A tagged enum is read twice as slowly. The log always writes the tag first; other programs may reorder it.
        for (beginning, parse) in BEGINNINGS {
            if line.starts_with(beginning) {
                return parse(line);
            }
        }
        serde_json::from_str(line)
    }
}

/// Reads a line of one kind.
type Parse = for<'l> fn(&'l str) -> Result<Record<'l>, serde_json::Error>;

const BEGINNINGS: [(&str, Parse); 3] = [
    (r#"{"event":"decision","#, |line| serde_json::from_str(line).map(Record::Decision)),
    (r#"{"event":"end","#, |line| serde_json::from_str(line).map(Record::End)),
    (r#"{"event":"extend","#, |line| serde_json::from_str(line).map(Record::Extend)),
];

impl Keys<'_> {
    /// Returns the value of a part, by its name in the policy.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Keys<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Parts<'a> {
            type Value = Keys<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys<'a>, M::Error> {
                let mut parts = Vec::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    parts.push((name, value));
                }
                Ok(Keys(parts))
            }
        }

        deserializer.deserialize_map(Parts(std::marker::PhantomData))
    }
}

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl JsonSchema for Keys<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Keys".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}

/// A text inside of a map, borrowed where it needs no unescaping.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The JSON Schema of a line.
///
/// ```
/// let schema = sluicegate_http::decision_log::schema();
/// assert_eq!(schema["oneOf"].as_array().map(Vec::len), Some(5));
/// ```
#[must_use]
pub fn schema() -> serde_json::Value {
    schema_for!(Record<'_>).to_value()
}
