//! `Permit`.

use pyo3::{exceptions::PyValueError, prelude::*, types::PyTuple};
use sluicegate::{Cost, StoreError, Unit};
use smallvec::SmallVec;

use crate::{
    awaiting::{ToPython, awaitable, begin, block},
    balance::{Balance, rows},
    charge::cost,
    errors::store_error,
    event_loop::Started,
    fork::Held,
    store::Store,
};

/// An admitted request whose cost is not final, and its slots of concurrent limits.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Permit {
    balances: SmallVec<[Balance; 1]>,
    /// Set if its store is remote.
    waits: bool,
    /// None once it is settled or released.
    permit: Held<sluicegate::Permit<Store>>,
}

impl Permit {
    pub(crate) fn new(permit: sluicegate::Permit<Store>, waits: bool) -> Self {
        let quotas = permit.charges().iter().map(|charge| &charge.quota);
        let balances = rows(permit.balances(), quotas).collect();
        Self { balances, waits, permit: Held::new(permit) }
    }

    /// The permit with its actual costs; none if that has been settled.
    fn settled(&self, actual: &Bound<'_, PyTuple>) -> PyResult<Option<(sluicegate::Permit<Store>, Costs)>> {
        // Not locked while Python says what its numbers are: that may run any code, and let another thread go on.
        let units = |permit: &sluicegate::Permit<Store>| -> SmallVec<[Unit; 4]> {
            permit.charges().iter().map(|charge| charge.quota.unit()).collect()
        };
        let Some(units) = self.permit.look(units) else { return Ok(None) };
        if actual.len() > units.len() {
            let (given, known) = (actual.len(), units.len());
            return Err(PyValueError::new_err(format!("{given} costs for a permit of {known} charges")));
        }
        let costs = actual.iter().zip(units).map(|(given, unit)| cost(&given, unit));
        let costs = costs.collect::<PyResult<_>>()?;
        Ok(self.permit.take().map(|permit| (permit, costs)))
    }
}

#[pymethods]
impl Permit {
    #[getter]
    fn allowed(&self) -> bool {
        true
    }

    #[getter]
    fn balances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.balances.iter().copied())
    }

    #[pyo3(signature = (*actual))]
    pub(crate) fn settle(&self, py: Python<'_>, actual: &Bound<'_, PyTuple>) -> PyResult<()> {
        let Some((permit, costs)) = self.settled(actual)? else { return Ok(()) };
        block(py, permit.settle(&costs)).map_err(|error| store_error(&error))
    }

    #[pyo3(signature = (*actual))]
    pub(crate) fn settle_async(&self, py: Python<'_>, actual: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        let settled = self.settled(actual)?;
        let settling = async move {
            match settled {
                Some((permit, costs)) => Done(permit.settle(&costs).await),
                None => Done(Ok(())),
            }
        };
        awaitable(py, begin(py, self.waits, settling)?)
    }

    fn release(&self) {
        drop(self.permit.take());
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
        format!("<Permit: {:?}>", self.permit)
    }
}

type Costs = SmallVec<[Cost; 4]>;

/// Something was done, or the store did not answer.
pub(crate) struct Done(pub(crate) Result<(), StoreError>);

impl ToPython for Done {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.0.map(|()| py.None()).map_err(|error| store_error(&error))
    }
}
