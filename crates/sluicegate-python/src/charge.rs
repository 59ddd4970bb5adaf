//! `Charge`, and how what Python users write becomes one.

use std::borrow::Cow;

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyFloat, PyString},
};
use sluicegate::{Cost, OutageMode, Unit};
use smallvec::{SmallVec, smallvec};

use crate::{
    errors::policy_error,
    quota::{Quota, quota},
};

/// One line of a request's bill.
#[pyclass(frozen, eq, module = "sluicegate")]
#[derive(Clone, PartialEq)]
pub(crate) struct Charge {
    charge: sluicegate::Charge,
    /// None for the outage mode of the limiter's store.
    outage: Option<OutageMode>,
    /// A cost has to be given before anything is taken.
    lacks_cost: bool,
}

/// The purpose of naming charges.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Purpose {
    /// Taking them, which needs their costs.
    Taking,
    /// Finding their accounts.
    Accounts,
}

/// The charges of one request, and their modes in an outage.
pub(crate) struct Charges {
    pub(crate) charges: SmallVec<[sluicegate::Charge; 1]>,
    outages: SmallVec<[OutageMode; 1]>,
}

impl Charges {
    fn with_capacity(capacity: usize) -> Self {
        Self { charges: SmallVec::with_capacity(capacity), outages: SmallVec::with_capacity(capacity) }
    }

    fn one((charge, outage): (sluicegate::Charge, OutageMode)) -> Self {
        Self { charges: smallvec![charge], outages: smallvec![outage] }
    }

    /// The mode of the charge at this place.
    pub(crate) fn outage(&self, place: usize) -> OutageMode {
        self.outages[place]
    }
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

    fn __repr__(&self) -> String {
        let sluicegate::Charge { key, quota, cost, .. } = &self.charge;
        format!("<Charge {} on {:?}: {quota}>", cost.units(), key.as_str())
    }
}

impl Charge {
    /// A charge with a cost. Without one it costs one request or one slot; another unit's cost is still to be given.
    fn of(charge: sluicegate::Charge, cost: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let unit = charge.quota.unit();
        let lacks_cost = cost.is_none() && needs_cost(unit);
        let cost = cost.map_or(Ok(Cost::new(1)), |cost| self::cost(cost, unit))?;
        Ok(Self { charge: charge.cost(cost), outage: None, lacks_cost })
    }

    /// The same, for a charge on a limit, which has a mode of its own.
    pub(crate) fn of_limit(
        charge: sluicegate::Charge,
        outage: OutageMode,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        Ok(Self { outage: Some(outage), ..Self::of(charge, cost)? })
    }

    fn with(&self, outage: OutageMode, purpose: Purpose) -> PyResult<(sluicegate::Charge, OutageMode)> {
        if self.lacks_cost && purpose == Purpose::Taking {
            let quota = &self.charge.quota;
            return Err(PyTypeError::new_err(format!(
                "a charge on `{quota}` needs a cost: give the number of {} that the request takes, as in \
                 take(KEY, QUOTA, 300), Charge(KEY, QUOTA, 300) or charge(LIMIT, KEY, 300)",
                quota.unit()
            )));
        }
        Ok((self.charge.clone(), self.outage.unwrap_or(outage)))
    }
}

/// The charges that a call names: a key with its quota and cost, one [`Charge`], or several of them. `outage` is for those
/// that do not say what becomes of them.
pub(crate) fn charges(
    what: &Bound<'_, PyAny>,
    quota: Option<&Bound<'_, PyAny>>,
    cost: Option<&Bound<'_, PyAny>>,
    outage: OutageMode,
    purpose: Purpose,
) -> PyResult<Charges> {
    if let Ok(key) = what.cast::<PyString>() {
        let quota = quota
            .ok_or_else(|| PyTypeError::new_err("a key needs a quota: take(\"alice\", \"10/minute\")"))?;
        let quota = self::quota(quota)?;
        let key = key.extract::<Cow<'_, str>>()?;
        let charge = Charge::of(sluicegate::Charge::new(&*key, quota), cost)?;
        return charge.with(outage, purpose).map(Charges::one);
    }
    if quota.is_some() || cost.is_some() {
        return Err(PyTypeError::new_err("a Charge has its quota and its cost: give no others beside it"));
    }
    if let Ok(charge) = what.cast::<Charge>() {
        return charge.get().with(outage, purpose).map(Charges::one);
    }
    let charges = what.try_iter().map_err(|_| {
        PyTypeError::new_err(format!("expected a key, a Charge or several of them, not {}", what.get_type()))
    })?;
    let mut all = Charges::with_capacity(what.len().unwrap_or_default().min(USUAL_CHARGES));
    for charge in charges {
        let (charge, outage) = charge?.cast::<Charge>()?.get().with(outage, purpose)?;
        all.charges.push(charge);
        all.outages.push(outage);
    }
    Ok(all)
}

/// The most charges that room is made for before they are seen: an object may say that it has any number.
const USUAL_CHARGES: usize = 8;

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
