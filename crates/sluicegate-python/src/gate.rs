//! `Gate`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::Response;
use pyo3::{IntoPyObjectExt, exceptions::PyTypeError, prelude::*, types::PyDict};
use sluicegate::{Cost, Unit};
use sluicegate_http::{Admission, Admitted};
use sluicegate_policy::{Hints, LimitHeaders, Part, Policy, Rejection, RequestId};

use crate::{
    answer::Answer,
    awaiting::{ToPython, block},
    charge::cost,
    clock::AnyClock,
    limiter::Limiter,
    metrics::metrics,
    pass::Pass,
    route::Route,
    scope::{Head, parameters},
    store::Store,
    visit::{BodyHandoff, Deciding},
};

/// A policy at work: decides ASGI requests by it.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Gate {
    inner: Arc<Inner>,
}

/// The state that decisions need, even after the gate is gone.
struct Inner {
    admission: Arc<Admission<Store, AnyClock>>,
    clock: AnyClock,
    /// Decides if `true`, and lets everything pass otherwise.
    enabled: Arc<AtomicBool>,
    /// Set if its store is remote.
    waits: bool,
    /// Set if a route needs its bodies read.
    reads_bodies: bool,
    /// Its route, for the gate of one route.
    one: Option<One>,
}

impl Inner {
    /// Returns the unit of a cost.
    fn unit(&self) -> Unit {
        self.one.as_ref().map(|one| one.unit).unwrap_or_default()
    }
}

/// One route, whose requests come here alone.
struct One {
    /// Returns the unit of a cost.
    unit: Unit,
    /// The cost of every request.
    cost: Option<Cost>,
    /// Every request has to bring its cost.
    asks_cost: bool,
    /// Set if keys use the path's parameters.
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
            asks_cost: route.asks_cost(),
            needs_parameters: needs_parameters(gate.policy()),
        });
        let metrics = metrics().gate(gate.policy());
        let reads_bodies = gate.policy().routes.as_slice().iter().any(|route| route.meter().reads_body());
        let (clock, enabled, waits) = (limiter.clock(), limiter.switch(), limiter.waits());
        let admission = Arc::new(Admission::new(gate, metrics, clock.clone()));
        Ok(Self { inner: Arc::new(Inner { admission, clock, enabled, waits, reads_bodies, one }) })
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
        if !self.inner.enabled.load(Ordering::Relaxed) {
            return Pass::free(self.inner.unit()).into_py_any(py);
        }
        self.inner.clock.refresh(py);
        let routes = self.inner.one.is_none().then(|| &self.inner.admission.gate().policy().routes);
        let head = Head::of(scope, routes)?;
        let hints = match &self.inner.one {
            None => None,
            Some(one) if one.asks_cost && cost.is_none() => {
                let message = format!("a cost in {} is a number, and what finds it gave None", one.unit);
                return Err(PyTypeError::new_err(message));
            }
            Some(one) => Some(OwnedHints {
                tier,
                key,
                cost: cost.map(|given| self::cost(given, one.unit)).transpose()?.or(one.cost),
                parameters: if one.needs_parameters { parameters(scope)? } else { Vec::new() },
            }),
        };
        let request = Request { inner: Arc::clone(&self.inner), head, hints };
        let waits = self.inner.waits;
        if waits || self.inner.reads_bodies {
            let decide = |handoff| async move {
                let decision = request.decide(Some(handoff)).await;
                Decided { decision, inner: request.inner }
            };
            return Deciding::new(decide).begin(py, waits);
        }
        // Memory, and nothing to read: decided before this returns, so no state has to be kept.
        block(py, request.decide(None)).into_python(py, &self.inner)
    }
}

/// A request that is being decided.
struct Request {
    inner: Arc<Inner>,
    head: Head,
    /// The hints, for the gate of one route.
    hints: Option<OwnedHints>,
}

impl Request {
    /// Decides. Asks the handoff for the body where it needs one.
    async fn decide(&self, handoff: Option<BodyHandoff>) -> Decision {
        let Self { inner, head, hints } = self;
        let admission = &inner.admission;
        let decision = async {
            let mut entry = match hints {
                None => admission.enter(&head.parts, head.peer).await?,
                Some(hints) => {
                    let route = admission.gate().policy().routes.unmatched();
                    admission.enter_route(route, &head.parts, head.peer, hints.borrowed()).await?
                }
            };
            let reading = entry
                .read(|reading| async move {
                    match handoff {
                        Some(handoff) => handoff.read(reading).await,
                        None => Ok(reading),
                    }
                })
                .await?;
            entry.decide(reading.as_deref()).await
        };
        match decision.await {
            Ok(Admitted { pass, form, .. }) => {
                let lines = admission.renderer().lines(&pass, &form);
                Decision::Admitted(pass, lines)
            }
            Err(rejection) => {
                let id = RequestId::of(&head.parts.headers);
                let response = admission.renderer().rejected(&rejection, &head.parts, &id);
                Decision::Rejected(rejection, response)
            }
        }
    }
}

/// Hints about a request that Python knows and the head does not carry.
struct OwnedHints {
    tier: Option<String>,
    key: Option<String>,
    cost: Option<Cost>,
    parameters: Vec<(String, String)>,
}

impl OwnedHints {
    fn borrowed(&self) -> Hints<'_> {
        Hints {
            tier: self.tier.as_deref(),
            key: self.key.as_deref(),
            cost: self.cost,
            parameters: &self.parameters,
        }
    }
}

/// A decision, and whose it is.
pub(crate) struct Decided {
    decision: Decision,
    inner: Arc<Inner>,
}

/// A decision, with the part of the response that it makes.
enum Decision {
    Admitted(Box<sluicegate_policy::Pass<Store>>, LimitHeaders),
    Rejected(Rejection, Response<Bytes>),
}

impl Decision {
    fn into_python(self, py: Python<'_>, inner: &Inner) -> PyResult<Py<PyAny>> {
        match self {
            Self::Admitted(pass, lines) => {
                Pass::new(pass, lines, inner.unit(), inner.waits, &inner.admission).into_py_any(py)
            }
            Self::Rejected(rejection, response) => {
                Answer::new(rejection, response, Arc::clone(inner.admission.gate())).into_py_any(py)
            }
        }
    }
}

impl ToPython for Decided {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.decision.into_python(py, &self.inner)
    }
}

fn needs_parameters(policy: &Policy) -> bool {
    let mut parts = policy.limits.iter().flat_map(|limit| limit.key_template().parts());
    parts.any(|part| matches!(part, Part::Parameter(_)))
}
