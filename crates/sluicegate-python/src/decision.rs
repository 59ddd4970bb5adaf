//! The result of a take: a `Permit`, or a `Denial`.

use pyo3::{IntoPyObjectExt, prelude::*, types::PyTuple};
use sluicegate::{Charge, Decision, Quota};
use smallvec::SmallVec;

use crate::{
    awaiting::ToPython,
    balance::{rows, seconds},
    charges::{Charges, Taking},
    errors::store_error,
    permit::Permit,
};

/// The reason that a request is denied, and the wait.
#[pyclass(frozen, module = "sluicegate", freelist = 8)]
pub(crate) struct Denial {
    denial: sluicegate::Denial,
    quotas: Quotas,
}

/// The quotas of a request's charges, which say in what unit their balances are.
pub(crate) type Quotas = SmallVec<[Quota; 2]>;

#[pymethods]
impl Denial {
    #[getter]
    fn allowed(&self) -> bool {
        false
    }

    #[getter]
    fn charge(&self) -> usize {
        self.denial.charge
    }

    #[getter]
    fn retry_after(&self) -> Option<f64> {
        seconds(self.denial.wait)
    }

    #[getter]
    fn balances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        balances(py, &self.denial.balances, &self.quotas)
    }

    fn __bool__(&self) -> bool {
        false
    }

    fn __repr__(&self) -> String {
        match self.denial.retry_after() {
            Some(wait) => format!("<Denial: try again after {wait:?}>"),
            None => "<Denial: waiting alone does not help>".to_owned(),
        }
    }
}

/// Returns the decision on these charges for Python. `waits` is set if the store is remote.
pub(crate) fn answer(py: Python<'_>, taking: Taking, charges: &[Charge], waits: bool) -> PyResult<Py<PyAny>> {
    match taking.map_err(|error| store_error(&error))? {
        Decision::Allow(permit) => Permit::new(permit, waits).into_py_any(py),
        Decision::Deny(denial) => {
            let quotas = charges.iter().map(|charge| charge.quota).collect();
            Denial { denial, quotas }.into_py_any(py)
        }
    }
}

/// The result of a take of nothing, of which only the balances matter.
pub(crate) struct Peeked {
    pub(crate) taking: Taking,
    pub(crate) charges: Charges,
    /// Set if a single charge was requested.
    pub(crate) one: bool,
}

impl ToPython for Peeked {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let quotas = self.charges.charges.iter().map(|charge| &charge.quota);
        let rows = match self.taking.map_err(|error| store_error(&error))? {
            Decision::Allow(permit) => balances(py, permit.balances(), quotas),
            Decision::Deny(denial) => balances(py, &denial.balances, quotas),
        }?;
        if self.one { Ok(rows.get_item(0)?.unbind()) } else { rows.into_py_any(py) }
    }
}

/// Balances, each with what its quota counts.
pub(crate) fn balances<'py, 'q>(
    py: Python<'py>,
    balances: &'q [sluicegate::Balance],
    quotas: impl IntoIterator<Item = &'q Quota>,
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, rows(balances, quotas).collect::<Vec<_>>())
}
