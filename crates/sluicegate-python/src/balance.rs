//! `Balance`.

use pyo3::prelude::*;
use sluicegate::{Quota, Unit, Wait};

/// The balance of one account after a decision.
#[pyclass(frozen, eq, module = "sluicegate")]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Balance {
    balance: sluicegate::Balance,
    unit: Unit,
}

impl Balance {
    fn new(balance: &sluicegate::Balance, quota: &Quota) -> Self {
        Self { balance: *balance, unit: quota.unit() }
    }
}

#[pymethods]
impl Balance {
    #[getter]
    fn remaining<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let remaining = self.balance.remaining;
        match self.unit {
            #[expect(clippy::cast_precision_loss, reason = "a float is what Python users reckon dollars in")]
            Unit::Usd => Ok((remaining as f64 / self.unit.scale() as f64).into_pyobject(py)?.into_any()),
            _ => Ok(remaining.into_pyobject(py)?.into_any()),
        }
    }

    #[getter]
    fn reset_after(&self) -> f64 {
        self.balance.reset_after.as_secs_f64()
    }

    #[getter]
    fn next_after(&self) -> f64 {
        self.balance.next_after.as_secs_f64()
    }

    #[getter]
    fn retry_after(&self) -> Option<f64> {
        seconds(self.balance.wait)
    }

    #[getter]
    fn fits(&self) -> bool {
        self.balance.wait.fits()
    }

    fn __repr__(&self) -> String {
        let sluicegate::Balance { remaining, reset_after, .. } = self.balance;
        format!("<Balance: {remaining} remaining, full after {reset_after:?}>")
    }
}

/// Balances, each with what its quota counts.
pub(crate) fn rows<'a>(
    balances: &'a [sluicegate::Balance],
    quotas: impl IntoIterator<Item = &'a Quota>,
) -> impl Iterator<Item = Balance> {
    balances.iter().zip(quotas).map(|(balance, quota)| Balance::new(balance, quota))
}

/// Seconds to wait; none where waiting alone does not help.
pub(crate) fn seconds(wait: Wait) -> Option<f64> {
    wait.duration().map(|duration| duration.as_secs_f64())
}
