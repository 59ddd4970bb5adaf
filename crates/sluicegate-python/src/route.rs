//! `Route`.

use std::{borrow::Cow, num::NonZeroU64};

use http::HeaderName;
use pyo3::{prelude::*, types::PyString};
use sluicegate::{Cost, OutageMode, Quota, Unit};
use sluicegate_policy::{CodeMeter, CodeRoute, Dialect, KeyTemplate, Mode, Policy, TierShare};

use crate::{
    charge::{self, needs_cost},
    errors::{PolicyError, policy_error},
    limiter::Limiter,
    quota::{parse_all, with_algorithm},
};

/// A `[[route]]` that is written in Python.
#[pyclass(frozen, module = "sluicegate")]
#[derive(Clone)]
pub(crate) struct Route {
    /// Without its label, which tells on which route it is.
    route: CodeRoute,
    tier_header: Option<HeaderName>,
    /// The cost of every request, if it does not depend on the request.
    cost: Option<Cost>,
    /// Each request brings its cost.
    asks_cost: bool,
}

#[pymethods]
impl Route {
    #[new]
    #[pyo3(signature = (
        quotas, *, varies, key, cost, asks_cost, meter, max_items, tier, tiers, require_tier, name, algorithm, mode, outage
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are what a RateLimit takes")]
    fn new(
        quotas: Vec<Bound<'_, PyAny>>,
        varies: bool,
        key: Option<Vec<String>>,
        cost: Option<&Bound<'_, PyAny>>,
        asks_cost: bool,
        meter: Option<&str>,
        max_items: Option<i64>,
        tier: Option<&str>,
        tiers: Vec<(String, Bound<'_, PyAny>)>,
        require_tier: Option<String>,
        name: Option<String>,
        algorithm: Option<&str>,
        mode: &str,
        outage: Option<&str>,
    ) -> PyResult<Self> {
        let mut route = CodeRoute::new("", Vec::new());
        route.quotas = quotas_of(&quotas, algorithm)?;
        if let Some(key) = key {
            let key = KeyTemplate::parse(key.iter().map(String::as_str));
            route.key =
                key.map_err(|error| PolicyError::new_err(format!("{}; {}", error.message, error.help)))?;
        }
        route.tier = require_tier;
        route.names = Vec::from_iter(name);
        route.varies = varies;
        route.mode = match mode {
            "enforce" => Mode::Enforce,
            "shadow" => Mode::Shadow,
            _ => {
                return Err(PolicyError::new_err(format!("mode is \"enforce\" or \"shadow\", not {mode:?}")));
            }
        };
        route.outage = outage
            .map(|outage| outage.parse::<OutageMode>().map_err(|error| policy_error(&error)))
            .transpose()?;
        for (tier, share) in &tiers {
            let share = match share.extract::<f64>() {
                Ok(scale) => TierShare::Scale(scale),
                Err(_) => TierShare::Quotas(quotas_of(std::slice::from_ref(share), algorithm)?),
            };
            route.tiers.push((tier.clone(), share));
        }
        let mut made = Self { route, tier_header: tier.map(tier_header).transpose()?, cost: None, asks_cost };
        match meter {
            Some(_) if asks_cost || cost.is_some() => {
                let message = "a meter finds the cost of a request: give a meter or a cost";
                return Err(PolicyError::new_err(message));
            }
            Some(meter) => made.route.meter = CodeMeter::Tokens(dialect(meter)?),
            None => made.measure(cost)?,
        }
        if let Some(most) = max_items {
            made.route.most_items = Some(made.most_items(most)?);
        }
        Ok(made)
    }

    /// Raises the error of the route, under a limiter's policy.
    fn check(&self, limiter: &Limiter) -> PyResult<()> {
        // Quotas that requests bring are looked at when they do.
        if self.route.quotas.is_empty() {
            Ok(())
        } else {
            self.policy(limiter.gate().policy(), "/", &[]).map(drop)
        }
    }
}

impl Route {
    /// The policy of this route alone.
    pub(crate) fn policy(&self, base: &Policy, label: &str, methods: &[String]) -> PyResult<Policy> {
        // Methods that HTTP does not know are on no route.
        let methods = methods.iter().filter_map(|method| method.parse().ok()).collect();
        let route = CodeRoute { label: label.to_owned(), methods, ..self.route.clone() };
        let mut policy = base.with_route(route).map_err(|error| policy_error(&error))?;
        if let Some(header) = &self.tier_header {
            policy.identity.tier_header = Some(header.clone());
        }
        Ok(policy)
    }

    /// The cost of every request, if it is known.
    pub(crate) fn cost(&self) -> Option<Cost> {
        self.cost
    }

    /// Returns `true` if every request has to bring its cost.
    pub(crate) fn asks_cost(&self) -> bool {
        self.asks_cost && needs_cost(self.unit())
    }

    /// The unit of a cost: that of the quotas that do not count requests, or else requests.
    pub(crate) fn unit(&self) -> Unit {
        let mut units = self.route.quotas.iter().map(Quota::unit);
        units.find(|unit| needs_cost(*unit)).unwrap_or_default()
    }

    fn measure(&mut self, cost: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let unit = self.unit();
        let mut others = self.route.quotas.iter().map(Quota::unit);
        if let Some(other) = others.find(|other| *other != unit && needs_cost(*other)) {
            let message = format!("a cost counts one thing: give {unit} and {other} a RateLimit each");
            return Err(PolicyError::new_err(message));
        }
        self.route.meter = match cost.map(|cost| (cost, cost.cast::<PyString>())) {
            None if self.asks_cost => CodeMeter::Given,
            None => match self.route.quotas.iter().find(|quota| needs_cost(quota.unit())) {
                None => CodeMeter::None,
                Some(quota) => {
                    let meter = if unit.is_tokens() {
                        "; or meter= the interface of a model, such as \"openai\""
                    } else {
                        ""
                    };
                    return Err(PolicyError::new_err(format!(
                        "nothing counts the {unit} of `{quota}`; give cost=: a number that every request takes, a JSON \
                         pointer to an array or a number in the body such as \"/inputs\", or a callable that gets the \
                         request{meter}"
                    )));
                }
            },
            Some((_, Ok(pointer))) => {
                let pointer = pointer.extract::<Cow<'_, str>>()?;
                let parsed = pointer.parse().map_err(|error| {
                    PolicyError::new_err(format!(
                        "{pointer:?} is not a JSON pointer: {error}; write it as \"/inputs\""
                    ))
                })?;
                CodeMeter::Items(parsed)
            }
            Some((cost, Err(_))) => {
                let cost = charge::cost(cost, unit)?;
                if unit == Unit::Requests && !cost.is_zero() {
                    self.route.weight = cost.units();
                    CodeMeter::None
                } else {
                    self.cost = Some(cost);
                    CodeMeter::Given
                }
            }
        };
        Ok(())
    }

    fn most_items(&self, given: i64) -> PyResult<NonZeroU64> {
        if !matches!(self.route.meter, CodeMeter::Items(_)) {
            let message = "max_items is for items that are counted in the body; give cost= their place, such as \"/inputs\"";
            return Err(PolicyError::new_err(message));
        }
        let most = u64::try_from(given).ok().and_then(NonZeroU64::new);
        most.ok_or_else(|| {
            PolicyError::new_err(format!("max_items is a whole number, at least 1, not {given}"))
        })
    }
}

fn tier_header(written: &str) -> PyResult<HeaderName> {
    let name = written.strip_prefix("header:").and_then(|name| name.parse().ok());
    name.ok_or_else(|| {
        PolicyError::new_err(format!("a tier is found by \"header:NAME\" or a callable, not {written:?}"))
    })
}

fn dialect(written: &str) -> PyResult<Dialect> {
    Dialect::named(written).ok_or_else(|| {
        let names = Dialect::ALL.map(Dialect::name).join(", ");
        PolicyError::new_err(format!("unknown meter {written:?}; the meters of tokens are {names}"))
    })
}

fn quotas_of(given: &[Bound<'_, PyAny>], algorithm: Option<&str>) -> PyResult<Vec<Quota>> {
    let mut quotas = Vec::with_capacity(given.len());
    for given in given {
        for quota in parse_all(given)? {
            quotas.push(with_algorithm(quota, algorithm)?);
        }
    }
    Ok(quotas)
}
