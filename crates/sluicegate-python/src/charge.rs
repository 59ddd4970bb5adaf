//! `Charge`, and how what Python users write becomes a cost.

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::PyFloat,
};
use sluicegate::{Cost, OutageMode, Unit};

use crate::{
    charges::{Charges, Purpose},
    errors::policy_error,
    quota::{Quota, quota},
};

/// One line of a request's bill.
#[pyclass(frozen, module = "sluicegate", freelist = 8)]
#[derive(Clone, PartialEq)]
pub(crate) struct Charge {
    charge: sluicegate::Charge,
    /// None for the outage mode of the limiter's store.
    outage: Option<OutageMode>,
    /// A cost has to be given before anything is taken.
    lacks_cost: bool,
}

#[pymethods]
impl Charge {
    #[new]
    #[pyo3(signature = (key, quota, cost = None, *, outage = None))]
    fn new(
        key: &str,
        quota: &Bound<'_, PyAny>,
        cost: Option<&Bound<'_, PyAny>>,
        outage: Option<&str>,
    ) -> PyResult<Self> {
        let quota = self::quota(quota)?;
        let mut charge = Self::of(sluicegate::Charge::new(key, quota), cost)?;
        charge.outage =
            outage.map(|outage| outage.parse().map_err(|error| policy_error(&error))).transpose()?;
        Ok(charge)
    }

    #[getter]
    fn key(&self) -> &str {
        self.charge.key.as_str()
    }

    #[getter]
    fn quota(&self) -> Quota {
        Quota(self.charge.quota)
    }

    fn __eq__(&self, other: &Self) -> bool {
        self == other
    }

    fn __repr__(&self) -> String {
        let sluicegate::Charge { key, quota, cost, .. } = &self.charge;
        format!("<Charge {} on {:?}: {quota}>", cost.units(), key.as_str())
    }
}

impl Charge {
    /// A charge with a cost. Without one it costs one request or one slot; another unit's cost is still to be given.
    #[inline]
    pub(crate) fn of(charge: sluicegate::Charge, cost: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let unit = charge.quota.unit();
        let lacks_cost = cost.is_none() && needs_cost(unit);
        let cost = cost.map_or(Ok(Cost::new(1)), |cost| self::cost(cost, unit))?;
        Ok(Self { charge: charge.cost(cost), outage: None, lacks_cost })
    }

    /// The same, for a charge on a limit of the policy, which has a mode of its own.
    pub(crate) fn of_limit(
        charge: sluicegate::Charge,
        outage: OutageMode,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        Ok(Self { outage: Some(outage), ..Self::of(charge, cost)? })
    }

    /// A charge on a limit in code. Without a cost, that is still to be given.
    pub(crate) fn on_limit(charge: sluicegate::Charge, cost: Option<Cost>, outage: OutageMode) -> Self {
        Self {
            charge: charge.cost(cost.unwrap_or(Cost::ONE)),
            outage: Some(outage),
            lacks_cost: cost.is_none(),
        }
    }

    /// Adds it to those of a request. `outage` is its mode unless it has one.
    pub(crate) fn add_to(&self, all: &mut Charges, outage: OutageMode, purpose: Purpose) -> PyResult<()> {
        if self.lacks_cost && purpose == Purpose::Taking {
            let quota = &self.charge.quota;
            return Err(PyTypeError::new_err(format!(
                "a charge on `{quota}` needs a cost: give the number of {} that the request takes, as in \
                 take(KEY, QUOTA, 300), Charge(KEY, QUOTA, 300) or charge(LIMIT, KEY, 300)",
                quota.unit()
            )));
        }
        all.push(self.charge.clone(), self.outage.unwrap_or(outage));
        Ok(())
    }
}

/// So many units, whole dollars and parts of them for `usd`.
pub(crate) fn cost(given: &Bound<'_, PyAny>, unit: Unit) -> PyResult<Cost> {
    let refused = || PyValueError::new_err(format!("a cost is a number of {unit}, 0 or more, not {given}"));
    match unit {
        Unit::Usd if given.is_instance_of::<PyFloat>() => Cost::usd(given.extract()?).ok_or_else(refused),
        Unit::Usd => {
            // Many things can be multiplied, and some are a thousand million times as long then.
            if !given.hasattr("__ceil__")? {
                let message = format!("a cost in {unit} is a number, not {}", given.get_type());
                return Err(PyTypeError::new_err(message));
            }
            // Exact for an int and for a Decimal, rounded up to a whole nano-dollar.
            let nano = given.call_method1("__mul__", (unit.scale(),))?.call_method0("__ceil__")?;
            nano.extract::<u64>().map(Cost::new).map_err(|_| refused())
        }
        _ => match given.extract::<u64>() {
            Ok(units) => Ok(Cost::new(units)),
            Err(error) if error.is_instance_of::<PyTypeError>(given.py()) => {
                Err(PyTypeError::new_err(format!("a cost in {unit} is an int, not {}", given.get_type())))
            }
            Err(_) => Err(refused()),
        },
    }
}

/// Returns `true` for a unit of which a request can take any number, so that no default would be right.
pub(crate) const fn needs_cost(unit: Unit) -> bool {
    match unit {
        Unit::Requests | Unit::Concurrent => false,
        Unit::Items | Unit::Tokens | Unit::InputTokens | Unit::OutputTokens | Unit::Bytes | Unit::Usd => true,
    }
}
