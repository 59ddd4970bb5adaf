//! `Permit`.

use std::sync::OnceLock;

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
#[pyclass(frozen, module = "sluicegate", freelist = 8)]
pub(crate) struct Permit {
    /// Set if its store is remote.
    waits: bool,
    /// None once it is settled or released.
    permit: Held<Box<sluicegate::Permit<Store>>>,
    /// The balances, once they cannot be read from the permit any more.
    balances: OnceLock<Balances>,
}

type Balances = SmallVec<[Balance; 2]>;

impl Permit {
    pub(crate) fn new(permit: Box<sluicegate::Permit<Store>>, waits: bool) -> Self {
        Self { waits, permit: Held::new(permit), balances: OnceLock::new() }
    }

    /// Takes the permit, unless it has been settled or released. Its balances stay.
    fn take(&self) -> Option<Box<sluicegate::Permit<Store>>> {
        if let Some(balances) = self.permit.look(|permit| balances_of(permit)) {
            self.balances.get_or_init(|| balances);
        }
        self.permit.take()
    }

    /// The permit with its actual costs; none if that has been settled.
    fn settled(
        &self,
        actual: &Bound<'_, PyTuple>,
    ) -> PyResult<Option<(Box<sluicegate::Permit<Store>>, Costs)>> {
        // Not locked while Python says what its numbers are: that may run any code, and let another thread go on.
        let Some(units) = self.permit.look(|permit| units_of(permit)) else { return Ok(None) };
        if actual.len() > units.len() {
            let (given, known) = (actual.len(), units.len());
            return Err(PyValueError::new_err(format!("{given} costs for a permit of {known} charges")));
        }
        let costs = actual.iter().zip(units).map(|(given, unit)| cost(&given, unit));
        let costs = costs.collect::<PyResult<_>>()?;
        Ok(self.take().map(|permit| (permit, costs)))
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
        // Another thread may settle it meanwhile, which keeps the balances before it takes the permit.
        let held = self.permit.look(|permit| balances_of(permit));
        let balances = held.or_else(|| self.balances.get().cloned()).unwrap_or_default();
        PyTuple::new(py, balances)
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
        drop(self.take());
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

fn units_of(permit: &sluicegate::Permit<Store>) -> SmallVec<[Unit; 4]> {
    permit.charges().iter().map(|charge| charge.quota.unit()).collect()
}

fn balances_of(permit: &sluicegate::Permit<Store>) -> Balances {
    let quotas = permit.charges().iter().map(|charge| &charge.quota);
    rows(permit.balances(), quotas).collect()
}

/// Something was done, or the store did not answer.
pub(crate) struct Done(pub(crate) Result<(), StoreError>);

impl ToPython for Done {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.0.map(|()| py.None()).map_err(|error| store_error(&error))
    }
}
