//! `[cors]`, as resolved: the web pages that may call the API, and what browsers let them see.

mod fields;
mod origins;
mod preflight;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub(crate) use fields::CorsFields;
pub(crate) use origins::{Origin, Origins};
pub(crate) use preflight::is_preflight;

use crate::{HeaderFamily, RequestId, answer::retry::SHOULD_RETRY};

/// The web pages that may call the API from another origin, and what browsers let them see of its responses.
#[derive(Clone, Debug)]
pub struct Cors {
    pub(crate) origins: Origins,
    /// The methods that pages may use.
    pub(crate) methods: Vec<Method>,
    /// The request headers that pages may set. `None` allows any.
    pub(crate) headers: Option<Vec<HeaderName>>,
    /// Response headers of the upstream that pages may read, beside ours.
    pub(crate) expose: Vec<HeaderName>,
    /// Lets browsers send cookies and client certificates along.
    pub(crate) credentials: bool,
    /// The time for which a browser remembers the answer to a preflight.
    pub(crate) max_age: Duration,
    pub(crate) preflight: Preflight,
    /// Charges preflights that go to the upstream like any other request.
    pub(crate) charge_preflights: bool,
    /// Our own fields and those of `expose`, in the order in which they are told.
    pub(crate) exposed: Vec<HeaderName>,
    /// `exposed` as the value of a header.
    pub(crate) exposed_line: HeaderValue,
}

/// The party that answers preflights.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preflight {
    /// We do, as the policy says.
    #[default]
    Answer,
    /// The upstream does.
    Pass,
}

/// Returns the fields that our responses may have and pages want to read, with these families of rate limit headers.
pub(crate) fn own_fields(families: &[HeaderFamily]) -> Vec<HeaderName> {
    let mut names = vec![header::RETRY_AFTER];
    names.extend(families.iter().flat_map(|family| family.fields()));
    names.extend([SHOULD_RETRY, RequestId::HEADER, RequestId::ANTHROPIC_HEADER]);
    names
}

/// The value of a header that lists these words.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> HeaderValue {
    let words: SmallVec<[&str; 16]> = words.into_iter().collect();
    HeaderValue::try_from(words.join(", ")).expect("methods and names of headers are visible ASCII")
}
