//! `Gate`.

use std::sync::Arc;

use pyo3::{IntoPyObjectExt, prelude::*, types::PyDict};
use sluicegate::{Clock, Cost, Unit};
use sluicegate_metrics::GateMetrics;
use sluicegate_policy::{Given, Part, Policy, Refusal};

use crate::{
    answer::Answer,
    awaiting::ToPython,
    charge::cost,
    clock::AnyClock,
    limiter::Limiter,
    metrics::metrics,
    pass::Pass,
    route::Route,
    scope::{Head, parameters},
    store::Store,
    visit::{Body, Deciding},
};

/// A policy at work: decides ASGI requests by it.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Gate {
    inner: Arc<Inner>,
    /// Whether its store is elsewhere.
    waits: bool,
}

/// What decisions go on with, whatever becomes of the gate.
struct Inner {
    gate: Arc<sluicegate_policy::Gate<Store>>,
    metrics: GateMetrics,
    clock: AnyClock,
    /// Where it is the gate of one route: what is known of that.
    one: Option<One>,
}

/// One route, whose requests come here alone.
struct One {
    /// What a cost counts.
    unit: Unit,
    /// What every request costs.
    cost: Option<Cost>,
    /// Whether keys are made of the path's parameters.
    needs_parameters: bool,
}

#[pymethods]
impl Gate {
    /// The gate of a limiter's policy, or of one route that is written in Python; its label and methods tell where it is.
    #[new]
    #[pyo3(signature = (limiter, route = None, label = "/", methods = Vec::new()))]
    fn new(limiter: &Limiter, route: Option<&Route>, label: &str, methods: Vec<String>) -> PyResult<Self> {
        let gate = match route {
            None => Arc::clone(limiter.gate()),
            Some(route) => Arc::new(limiter.gate().with_policy(route.policy(
                limiter.gate().policy(),
                label,
                &methods,
            )?)),
        };
        let one = route.map(|route| One {
            unit: route.unit(),
            cost: route.cost(),
            needs_parameters: needs_parameters(gate.policy()),
        });
        let metrics = metrics().gate(gate.policy());
        let inner = Inner { gate, metrics, clock: limiter.clock(), one };
        Ok(Self { inner: Arc::new(inner), waits: limiter.waits() })
    }

    /// Decides a request: a pass, an answer, a visit that wants the body, or a promise of one of them.
    #[pyo3(signature = (scope, *, tier = None, key = None, cost = None))]
    fn enter(
        &self,
        py: Python<'_>,
        scope: &Bound<'_, PyDict>,
        tier: Option<String>,
        key: Option<String>,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let head = Head::of(scope)?;
        let given = match &self.inner.one {
            None => None,
            Some(one) => Some(Owned {
                tier,
                key,
                cost: cost.map(|given| self::cost(given, one.unit)).transpose()?.or(one.cost),
                parameters: if one.needs_parameters { parameters(scope)? } else { Vec::new() },
            }),
        };
        let (inner, waits) = (Arc::clone(&self.inner), self.waits);
        let deciding = Deciding::new(move |desk| async move {
            let began = inner.clock.now();
            let decision = async {
                let visit = match &given {
                    None => inner.gate.enter(&head.parts, head.peer).await?,
                    Some(given) => {
                        let route = inner.gate.policy().routes.unmatched();
                        inner.gate.enter_route(route, &head.parts, head.peer, given.borrowed()).await?
                    }
                };
                let body = match visit.body_limit() {
                    None => None,
                    Some(limit) => match desk.body(limit).await {
                        Body::Whole(body) => Some(body),
                        Body::TooLarge => return Err(visit.refused(Refusal::BodyTooLarge { limit })),
                    },
                };
                inner.gate.decide(visit, body.as_ref()).await
            };
            let decision = decision.await.map(Box::new);
            match &decision {
                Ok(pass) => inner.metrics.passed(pass, inner.clock.now().since(began)),
                Err(answer) => inner.metrics.answered(answer),
            }
            Decided { decision, inner, waits }
        });
        deciding.begin(py, self.waits)
    }
}

/// What Python knows of a request better than its head tells.
struct Owned {
    tier: Option<String>,
    key: Option<String>,
    cost: Option<Cost>,
    parameters: Vec<(String, String)>,
}

impl Owned {
    fn borrowed(&self) -> Given<'_> {
        Given {
            tier: self.tier.as_deref(),
            key: self.key.as_deref(),
            cost: self.cost,
            parameters: &self.parameters,
        }
    }
}

/// A decision, and whose it is.
pub(crate) struct Decided {
    decision: Result<Box<sluicegate_policy::Pass<Store>>, Box<sluicegate_policy::Answer>>,
    inner: Arc<Inner>,
    waits: bool,
}

impl ToPython for Decided {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let unit = self.inner.one.as_ref().map(|one| one.unit).unwrap_or_default();
        match self.decision {
            Ok(pass) => Pass::new(pass, unit, self.waits).into_py_any(py),
            Err(answer) => Answer::new(answer, self.inner.gate.policy()).into_py_any(py),
        }
    }
}

fn needs_parameters(policy: &Policy) -> bool {
    let mut parts = policy.limits.iter().flat_map(|limit| limit.key_template().parts());
    parts.any(|part| matches!(part, Part::Parameter(_)))
}
