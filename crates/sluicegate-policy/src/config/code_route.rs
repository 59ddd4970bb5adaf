//! A route that is written in a program, not in the policy file.

use std::{fmt, num::NonZeroU64};

use http::Method;
use sluicegate::{OutageMode, Quota};

use crate::{Diagnostics, Dialect, JsonPointer, KeyTemplate, Mode};

/// A `[[route]]` that is written in a program: the limits of one endpoint, and what its requests cost.
///
/// [`Policy::with_route`](crate::Policy::with_route) makes a policy of it.
///
/// # Costs
///
/// A meter of items or the caller gives one number. Where a quota counts something other than requests and slots, the
/// number is the cost of those quotas, and requests cost `weight`. Where all count requests or slots, it is the
/// cost of those that count requests; without a meter they cost `weight`. A slot is always one.
#[derive(Clone, Debug)]
pub struct CodeRoute {
    /// The route's full template, for logs and metrics, and in keys of `route`.
    pub label: String,
    /// The methods, where the same path has other limits for others: they become part of the names of its limits.
    pub methods: Vec<Method>,
    /// The names of the limits, in the order of the quotas. A name makes a limit one account with all that have the name. Of
    /// quotas beyond the names the second is called `name_2` after the first name, and so on. Without a name the limits belong
    /// to the route and are named after it.
    pub names: Vec<String>,
    /// Set if the quotas differ from request to request. Limits without a name are then named after the route
    /// alone, so that charges under one quota stay under the next.
    pub varies: bool,
    /// The quotas of the route.
    pub quotas: Vec<Quota>,
    /// The owner of the account, unless a request [gives](crate::Hints::key) its key.
    pub key: KeyTemplate,
    /// The enforcement of the limits.
    pub mode: Mode,
    /// Their mode while the store is down; `None` for the mode of the policy's store.
    pub outage: Option<OutageMode>,
    /// The tier that callers need.
    pub tier: Option<String>,
    /// The share of each tier, in place of the policy's tiers. The first is for callers without one. Empty
    /// for the policy's tiers.
    pub tiers: Vec<(String, TierShare)>,
    /// The number of `requests` that each request costs, at least 1.
    pub weight: u64,
    /// The source of the cost.
    pub meter: CodeMeter,
    /// The most items of one request, where the meter counts items; larger requests get 413.
    pub most_items: Option<NonZeroU64>,
}

/// The share of a route's quotas that a tier's callers get.
#[derive(Clone, Debug, PartialEq)]
pub enum TierShare {
    /// So many times each quota.
    Scale(f64),
    /// These instead: one for each quota of the route, in its unit.
    Quotas(Vec<Quota>),
}

/// The source of the cost of a request to a route in code.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum CodeMeter {
    /// Each costs the route's weight.
    #[default]
    None,
    /// The value at this place in the body: a number, or the length of an array. Whole dollars if a quota
    /// counts them.
    Items(JsonPointer),
    /// The tokens that a body in this dialect tells of, on every quota that counts tokens. Requests cost the route's weight.
    Tokens(Dialect),
    /// Each request [gives](crate::Hints::cost) its cost; one that does not costs the weight, or 1 of another unit.
    Given,
}

impl CodeRoute {
    /// A route of these quotas for each client's IP address, and nothing else.
    #[must_use]
    pub fn new(label: impl Into<String>, quotas: impl Into<Vec<Quota>>) -> Self {
        Self {
            label: label.into(),
            methods: Vec::new(),
            names: Vec::new(),
            varies: false,
            quotas: quotas.into(),
            key: KeyTemplate::client_ip(),
            mode: Mode::Enforce,
            outage: None,
            tier: None,
            tiers: Vec::new(),
            weight: 1,
            meter: CodeMeter::None,
            most_items: None,
        }
    }
}

/// An invalid route in code: what is wrong, and usually what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeRouteError {
    /// The error.
    pub message: String,
    /// The remedy.
    pub help: Option<String>,
}

impl From<Diagnostics> for CodeRouteError {
    /// The first of them: a program is mended one error at a time, and has no lines to sort them by.
    fn from(found: Diagnostics) -> Self {
        let first = found.as_slice().first();
        Self {
            message: first.map(|it| it.message.clone()).unwrap_or_default(),
            help: first.and_then(|it| it.help.clone()),
        }
    }
}

impl fmt::Display for CodeRouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CodeRouteError {}
