//! `[cors]`: the web pages that may call the API.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{OneOrMany, Period, Placed};
use crate::Preflight;

/// `[cors]`: the web pages that may call the API from another origin, and what browsers let them see of its responses.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cors")]
pub struct CorsTable {
    /// The origins of the pages: `"https://app.example.com"`, `"https://*.example.com"` for all subdomains, or `"*"` for
    /// any page.
    pub origins: Placed<OneOrMany<String>>,
    /// The methods that pages may use, in upper case.
    #[schemars(extend("default" = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]))]
    pub methods: Option<Placed<Vec<Placed<String>>>>,
    /// The request headers that pages may set; `"*"` for any.
    #[schemars(extend("default" = "*"))]
    pub headers: Option<Placed<OneOrMany<String>>>,
    /// Response headers of the upstream that pages may read, beside those that we set; `"*"` for all.
    #[schemars(extend("default" = []))]
    pub expose: Option<Placed<OneOrMany<String>>>,
    /// Lets browsers send cookies and client certificates along.
    #[schemars(extend("default" = false))]
    pub credentials: Option<Placed<bool>>,
    /// The time for which a browser remembers the answer to a preflight.
    #[schemars(extend("default" = "600s"))]
    pub max_age: Option<Period>,
    /// The party that answers preflights: `"answer"` for us, `"pass"` for the upstream.
    #[schemars(extend("default" = "answer"))]
    pub preflight: Option<Preflight>,
    /// Charges preflights that go to the upstream like any other request.
    #[schemars(extend("default" = false))]
    pub charge_preflights: Option<Placed<bool>>,
}
