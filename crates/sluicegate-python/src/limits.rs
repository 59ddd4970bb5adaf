//! `Limits`.

use std::borrow::Cow;

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyString, PyTuple},
};
use sluicegate::{Cost, Limit, OutageMode};

use crate::{
    charge::{Charge, cost, needs_cost},
    charges::Charges,
    clock::AnyClock,
    errors::PolicyError,
    quota::quota,
    store::Store,
};

/// Limits that are taken together, made once for the callers of all requests.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Limits {
    limits: Vec<Named>,
    outage: OutageMode,
    limiter: sluicegate::Limiter<Store>,
    clock: AnyClock,
}

/// A limit, with its name as Python's keywords have it.
struct Named {
    name: Py<PyString>,
    limit: Limit,
}

impl Limits {
    /// Limits with these quotas by their names.
    pub(crate) fn of(
        quotas: &Bound<'_, PyDict>,
        outage: OutageMode,
        limiter: &sluicegate::Limiter<Store>,
        clock: &AnyClock,
    ) -> PyResult<Self> {
        let named = |(name, given): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            let name = name.cast_into::<PyString>()?;
            let limit = Limit::named(name.extract::<String>()?, quota(&given)?);
            Ok(Named { name: name.unbind(), limit })
        };
        let limits = quotas.iter().map(named).collect::<PyResult<Vec<_>>>()?;
        if limits.is_empty() {
            return Err(PolicyError::new_err("limits need a quota each: limits(user=\"10/minute\")"));
        }
        Ok(Self { limits, outage, limiter: limiter.clone(), clock: clock.clone() })
    }

    /// Gives the charge on each limit to `add`, with its cost where that is known.
    #[inline]
    fn each(
        &self,
        callers: &Bound<'_, PyTuple>,
        costs: Option<&Bound<'_, PyDict>>,
        mut add: impl FnMut(&Limit, sluicegate::Charge, Option<Cost>) -> PyResult<()>,
    ) -> PyResult<()> {
        let count = callers.len();
        if count != 1 && count != self.limits.len() {
            return Err(self.refuse_callers(count));
        }
        let mut given = 0;
        for (place, Named { name, limit }) in self.limits.iter().enumerate() {
            let caller = callers.get_borrowed_item(if count == 1 { 0 } else { place })?;
            let caller = caller
                .cast::<PyString>()
                .map_err(|_| PyTypeError::new_err(format!("a caller is a str, not {}", caller.get_type())))?;
            let charge = limit.charge(&*caller.extract::<Cow<'_, str>>()?);
            let unit = limit.quota().unit();
            let known = match costs.map(|costs| costs.get_item(name.bind(costs.py()))).transpose()?.flatten()
            {
                Some(known) => {
                    given += 1;
                    Some(cost(&known, unit)?)
                }
                None => (!needs_cost(unit)).then_some(Cost::ONE),
            };
            add(limit, charge, known)?;
        }
        match costs {
            Some(costs) if costs.len() > given => Err(self.refuse_costs(costs)),
            _ => Ok(()),
        }
    }

    /// Writes down the charges of a take. They are large, and are not moved.
    fn charge(
        &self,
        charges: &mut Charges,
        callers: &Bound<'_, PyTuple>,
        costs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        self.clock.refresh(callers.py());
        self.each(callers, costs, |limit, charge, cost| {
            let cost = cost.ok_or_else(|| lacks_cost(limit))?;
            charges.push(charge.cost(cost), self.outage);
            Ok(())
        })
    }

    #[cold]
    fn refuse_callers(&self, given: usize) -> PyErr {
        let (names, count) = (self.list(), self.limits.len());
        PyTypeError::new_err(match count {
            1 => format!("{given} callers for one limit ({names})"),
            _ => format!(
                "{given} callers for {count} limits ({names}): give one for each, or one for all of them"
            ),
        })
    }

    #[cold]
    fn refuse_costs(&self, costs: &Bound<'_, PyDict>) -> PyErr {
        let is_known = |name: &String| self.limits.iter().any(|known| known.limit.name() == name);
        let unknown = costs.keys().iter().map(|name| name.to_string()).find(|name| !is_known(name));
        let (unknown, names) = (unknown.unwrap_or_default(), self.list());
        PyTypeError::new_err(format!("a cost for {unknown:?}, which is none of these limits: {names}"))
    }

    /// The names, for messages.
    fn list(&self) -> String {
        self.limits.iter().map(|known| known.limit.name()).collect::<Vec<_>>().join(", ")
    }
}

#[pymethods]
impl Limits {
    #[getter]
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.limits.iter().map(|known| known.name.bind(py)))
    }

    #[pyo3(signature = (*callers, **costs))]
    fn take(&self, callers: &Bound<'_, PyTuple>, costs: Option<&Bound<'_, PyDict>>) -> PyResult<Py<PyAny>> {
        let mut charges = Charges::default();
        self.charge(&mut charges, callers, costs)?;
        charges.take(callers.py(), &self.limiter)
    }

    #[pyo3(signature = (*callers, **costs))]
    fn take_async(
        &self,
        callers: &Bound<'_, PyTuple>,
        costs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let mut charges = Charges::default();
        self.charge(&mut charges, callers, costs)?;
        charges.take_async(callers.py(), self.limiter.clone())
    }

    #[pyo3(signature = (*callers, **costs))]
    fn charges(
        &self,
        callers: &Bound<'_, PyTuple>,
        costs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Vec<Charge>> {
        let mut charges = Vec::with_capacity(self.limits.len());
        self.each(callers, costs, |_, charge, cost| {
            charges.push(Charge::on_limit(charge, cost, self.outage));
            Ok(())
        })?;
        Ok(charges)
    }

    fn __repr__(&self) -> String {
        let limits =
            self.limits.iter().map(|known| format!("{}: {}", known.limit.name(), known.limit.quota()));
        format!("<Limits {}>", limits.collect::<Vec<_>>().join(", "))
    }
}

#[cold]
fn lacks_cost(limit: &Limit) -> PyErr {
    let (name, quota) = (limit.name(), limit.quota());
    PyTypeError::new_err(format!(
        "the limit {name} of `{quota}` needs a cost: give the number of {} that the request takes, as in \
         take(CALLER, {name}=300)",
        quota.unit()
    ))
}
