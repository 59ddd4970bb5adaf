//! `Pass`.

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyList, PyTuple},
};
use sluicegate::{Algorithm, Cost, Unit};
use sluicegate_policy::LimitHeaders;
use smallvec::SmallVec;

use crate::{
    awaiting::{awaitable, begin, block},
    balance::{Balance, rows},
    charge::cost,
    errors::{policy_error, store_error},
    event_loop::Started,
    fork::Held,
    headers::{apply, lines},
    permit::Done,
    store::Store,
};

/// A request that may pass: its permit, and what its client is told.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Pass {
    lines: LimitHeaders,
    balances: SmallVec<[Balance; 1]>,
    holds: bool,
    /// The unit of a cost.
    unit: Unit,
    /// Set if its store is remote.
    waits: bool,
    /// None once it is settled or released.
    pass: Held<Box<sluicegate_policy::Pass<Store>>>,
}

/// The actual usage.
enum Actual {
    /// Of what the route measures.
    One(Cost),
    /// By units.
    Units(Vec<(Unit, Cost)>),
}

impl Pass {
    pub(crate) fn new(
        pass: Box<sluicegate_policy::Pass<Store>>,
        lines: LimitHeaders,
        unit: Unit,
        waits: bool,
    ) -> Self {
        let quotas = pass.charges().iter().map(|charge| &charge.quota);
        let balances = rows(pass.balances(), quotas).collect();
        let holds = pass.charges().iter().any(|charge| charge.quota.algorithm() == Algorithm::Concurrent);
        Self { lines, balances, holds, unit, waits, pass: Held::new(pass) }
    }

    /// A pass that was charged nothing, for a limiter that is switched off.
    pub(crate) fn free(unit: Unit) -> Self {
        Self {
            lines: LimitHeaders::default(),
            balances: SmallVec::new(),
            holds: false,
            unit,
            waits: false,
            pass: Held::taken(),
        }
    }

    fn actual(&self, one: Option<&Bound<'_, PyAny>>, units: Option<&Bound<'_, PyDict>>) -> PyResult<Actual> {
        match (one, units) {
            (Some(one), None) => Ok(Actual::One(cost(one, self.unit)?)),
            (None, Some(units)) => {
                let units = units.iter().map(|(unit, given)| {
                    let unit: Unit =
                        unit.extract::<String>()?.parse().map_err(|error| policy_error(&error))?;
                    Ok((unit, cost(&given, unit)?))
                });
                Ok(Actual::Units(units.collect::<PyResult<_>>()?))
            }
            _ => Err(PyTypeError::new_err(
                "settle takes one cost, or costs by their units: settle(tokens=812)",
            )),
        }
    }
}

async fn settle(pass: Option<Box<sluicegate_policy::Pass<Store>>>, actual: Actual) -> Done {
    Done(match (pass, actual) {
        (None, _) => Ok(()),
        (Some(pass), Actual::One(cost)) => pass.settle(cost).await,
        (Some(pass), Actual::Units(costs)) => pass.settle_units(&costs).await,
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

    fn applied<'py>(&self, headers: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        // A list of its own: the app's may be that of every response.
        let headers = headers.py().get_type::<PyList>().call1((headers,))?.cast_into()?;
        apply(&self.lines, &headers)?;
        Ok(headers)
    }

    #[pyo3(signature = (actual = None, /, **units))]
    fn settle(
        &self,
        py: Python<'_>,
        actual: Option<&Bound<'_, PyAny>>,
        units: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let actual = self.actual(actual, units)?;
        block(py, settle(self.pass.take(), actual)).0.map_err(|error| store_error(&error))
    }

    #[pyo3(signature = (actual = None, /, **units))]
    fn settle_async(
        &self,
        py: Python<'_>,
        actual: Option<&Bound<'_, PyAny>>,
        units: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let actual = self.actual(actual, units)?;
        awaitable(py, begin(py, self.waits, settle(self.pass.take(), actual))?)
    }

    fn release(&self) {
        drop(self.pass.take());
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
        format!("<Pass: {:?}>", self.pass)
    }
}
