//! `Pass`.

use std::sync::Arc;

use http::{Response, StatusCode};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyDict, PyList, PyTuple},
};
use sluicegate::{Algorithm, Cost, Unit};
use sluicegate_http::Admission;
use sluicegate_policy::LimitHeaders;
use smallvec::SmallVec;

use crate::{
    awaiting::{awaitable, begin, block},
    balance::{Balance, rows},
    charge::cost,
    clock::AnyClock,
    errors::{policy_error, store_error},
    event_loop::Started,
    fork::Held,
    headers::{add, apply, headers_of, lines, list},
    metering::Running,
    permit::Done,
    store::Store,
};

/// A request that may pass: its permit, and what its client is told.
#[pyclass(frozen, module = "sluicegate", freelist = 8)]
pub(crate) struct Pass {
    lines: LimitHeaders,
    balances: SmallVec<[Balance; 1]>,
    holds: bool,
    /// The unit of a cost.
    unit: Unit,
    /// Set if its store is remote.
    waits: bool,
    /// Set if its tokens are metered.
    is_metered: bool,
    /// None once it is settled or released.
    running: Held<Running>,
}

/// The actual usage.
enum Actual {
    /// Of what the route measures.
    One(Cost),
    /// By units.
    Units(Vec<(Unit, Cost)>),
    /// Of a metered model, its input and output.
    Usage(Vec<(Unit, Cost)>),
}

impl Pass {
    pub(crate) fn new(
        pass: Box<sluicegate_policy::Pass<Store>>,
        lines: LimitHeaders,
        unit: Unit,
        waits: bool,
        admission: &Arc<Admission<Store, AnyClock>>,
    ) -> Self {
        let quotas = pass.charges().iter().map(|charge| &charge.quota);
        let balances = rows(pass.balances(), quotas).collect();
        let holds = pass.charges().iter().any(|charge| charge.quota.algorithm() == Algorithm::Concurrent);
        let running = Running::new(pass, admission);
        let is_metered = running.is_metered();
        Self { lines, balances, holds, unit, waits, is_metered, running: Held::new(running) }
    }

    /// A pass that was charged nothing, for a limiter that is switched off.
    pub(crate) fn free(unit: Unit) -> Self {
        Self {
            lines: LimitHeaders::default(),
            balances: SmallVec::new(),
            holds: false,
            unit,
            waits: false,
            is_metered: false,
            running: Held::taken(),
        }
    }

    fn actual(&self, one: Option<&Bound<'_, PyAny>>, units: Option<&Bound<'_, PyDict>>) -> PyResult<Actual> {
        match (one, units) {
            (Some(one), None) if self.is_metered => {
                Ok(Actual::Units(vec![(Unit::Tokens, cost(one, Unit::Tokens)?)]))
            }
            (Some(one), None) => Ok(Actual::One(cost(one, self.unit)?)),
            (None, Some(units)) => {
                let units = units.iter().map(|(unit, given)| {
                    let unit: Unit =
                        unit.extract::<String>()?.parse().map_err(|error| policy_error(&error))?;
                    Ok((unit, cost(&given, unit)?))
                });
                let units = units.collect::<PyResult<Vec<_>>>()?;
                let is_usage =
                    |(unit, _): &(Unit, Cost)| matches!(unit, Unit::InputTokens | Unit::OutputTokens);
                Ok(if self.is_metered && !units.is_empty() && units.iter().all(is_usage) {
                    Actual::Usage(units)
                } else {
                    Actual::Units(units)
                })
            }
            _ => Err(PyTypeError::new_err(
                "settle takes one cost, or costs by their units: settle(tokens=812)",
            )),
        }
    }
}

async fn settle(running: Option<Running>, actual: Actual) -> Done {
    let Some(running) = running else { return Done(Ok(())) };
    Done(match actual {
        Actual::One(cost) => running.pass.settle(cost).await,
        Actual::Units(costs) => running.pass.settle_units(&costs).await,
        Actual::Usage(costs) => {
            let told = |unit| costs.iter().find(|(known, _)| *known == unit).map(|(_, cost)| *cost);
            running.settle_told(told(Unit::InputTokens), told(Unit::OutputTokens)).await
        }
    })
}

#[pymethods]
impl Pass {
    #[getter]
    fn allowed(&self) -> bool {
        true
    }

    #[getter]
    fn balances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.balances.iter().copied())
    }

    #[getter]
    fn holds(&self) -> bool {
        self.holds
    }

    #[getter]
    fn lines<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        lines(py, self.lines.iter())
    }

    fn add_lines(&self, headers: &Bound<'_, PyList>) -> PyResult<()> {
        add(self.lines.iter(), headers)
    }

    fn applied<'py>(&self, headers: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        // A list of its own: the app's may be that of every response.
        let headers = headers.py().get_type::<PyList>().call1((headers,))?.cast_into()?;
        apply(&self.lines, &headers)?;
        Ok(headers)
    }

    #[getter]
    fn is_metered(&self) -> bool {
        self.is_metered
    }

    fn answered(&self, status: u16, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let (mut head, ()) = Response::new(()).into_parts();
        // A status that HTTP does not have is a failure of the app, which its server reports.
        head.status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        head.headers = headers_of(&list(headers)?)?;
        self.running.change(|running| running.answered(&head));
        Ok(())
    }

    fn data<'py>(&self, py: Python<'py>, piece: &[u8], is_last: bool) -> Option<Bound<'py, PyBytes>> {
        let last = self.running.change(|running| running.data(piece, is_last))?;
        last.map(|last| PyBytes::new(py, &last))
    }

    fn finish(&self, py: Python<'_>, has_failed: bool) -> PyResult<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        if has_failed {
            running.failed();
        }
        running.settle_beside(py)
    }

    #[pyo3(signature = (actual = None, /, **units))]
    fn settle(
        &self,
        py: Python<'_>,
        actual: Option<&Bound<'_, PyAny>>,
        units: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let actual = self.actual(actual, units)?;
        block(py, settle(self.running.take(), actual)).0.map_err(|error| store_error(&error))
    }

    #[pyo3(signature = (actual = None, /, **units))]
    fn settle_async(
        &self,
        py: Python<'_>,
        actual: Option<&Bound<'_, PyAny>>,
        units: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let actual = self.actual(actual, units)?;
        awaitable(py, begin(py, self.waits, settle(self.running.take(), actual))?)
    }

    fn release(&self) {
        drop(self.running.take());
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, _raised: &Bound<'_, PyTuple>) {
        self.release();
    }

    fn __aenter__(this: Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = this.py();
        awaitable(py, Started::Done(this.into_any().unbind()))
    }

    #[pyo3(signature = (*_raised))]
    fn __aexit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        self.release();
        awaitable(py, Started::Done(py.None()))
    }

    fn __repr__(&self) -> String {
        format!("<Pass: {:?}>", self.running)
    }
}
