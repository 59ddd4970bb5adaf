//! The charges of one request, and how what Python users write becomes them.

use std::borrow::Cow;

use pyo3::{exceptions::PyTypeError, prelude::*, types::PyString};
use sluicegate::{Decision, OutageMode, StoreError};
use smallvec::SmallVec;

use crate::{
    awaiting::{ToPython, awaitable, begin, block},
    charge::Charge,
    decision::answer,
    quota::quota,
    store::Store,
};

/// The purpose of naming charges.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Purpose {
    /// Taking them, which needs their costs.
    Taking,
    /// Finding their accounts.
    Accounts,
}

/// The charges of one request, and their modes in an outage.
#[derive(Default)]
pub(crate) struct Charges {
    pub(crate) charges: SmallVec<[sluicegate::Charge; INLINE]>,
    outages: SmallVec<[OutageMode; MODES]>,
}

/// The result of a take in the engine. A permit is boxed, because it is large and goes a long way.
pub(crate) type Taking = Result<Decision<Box<sluicegate::Permit<Store>>>, StoreError>;

impl Charges {
    #[inline]
    pub(crate) fn push(&mut self, charge: sluicegate::Charge, outage: OutageMode) {
        self.charges.push(charge);
        self.outages.push(outage);
    }

    /// Takes all of them, or none.
    pub(crate) async fn taken(&self, limiter: &sluicegate::Limiter<Store>) -> Taking {
        let decision = limiter.take_or(&self.charges, |place| self.outages[place]).await?;
        Ok(decision.map(Box::new))
    }

    /// Takes all of them, or none. Returns the decision for Python, after waiting for a store that is remote.
    pub(crate) fn take(&self, py: Python<'_>, limiter: &sluicegate::Limiter<Store>) -> PyResult<Py<PyAny>> {
        let taking = block(py, self.taken(limiter));
        answer(py, taking, &self.charges, limiter.store().waits())
    }

    /// Takes all of them, or none. Returns an awaitable of the decision.
    pub(crate) fn take_async(
        self,
        py: Python<'_>,
        limiter: sluicegate::Limiter<Store>,
    ) -> PyResult<Py<PyAny>> {
        let waits = limiter.store().waits();
        let taking = async move {
            let taking = self.taken(&limiter).await;
            Taken { taking, charges: self, waits }
        };
        awaitable(py, begin(py, waits, taking)?)
    }
}

/// The result of an awaited take, with its charges.
struct Taken {
    taking: Taking,
    charges: Charges,
    /// Set if the store is remote.
    waits: bool,
}

impl ToPython for Taken {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        answer(py, self.taking, &self.charges.charges, self.waits)
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
    let mut all = Charges::default();
    if let Ok(key) = what.cast::<PyString>() {
        let quota = quota
            .ok_or_else(|| PyTypeError::new_err("a key needs a quota: take(\"alice\", \"10/minute\")"))?;
        let quota = self::quota(quota)?;
        let key = key.extract::<Cow<'_, str>>()?;
        Charge::of(sluicegate::Charge::new(&*key, quota), cost)?.add_to(&mut all, outage, purpose)?;
        return Ok(all);
    }
    if quota.is_some() || cost.is_some() {
        return Err(PyTypeError::new_err("a Charge has its quota and its cost: give no others beside it"));
    }
    if let Ok(charge) = what.cast::<Charge>() {
        charge.get().add_to(&mut all, outage, purpose)?;
        return Ok(all);
    }
    let charges = what.try_iter().map_err(|_| {
        PyTypeError::new_err(format!("expected a key, a Charge or several of them, not {}", what.get_type()))
    })?;
    for charge in charges {
        charge?.cast::<Charge>()?.get().add_to(&mut all, outage, purpose)?;
    }
    Ok(all)
}

/// As many charges as are kept without an allocation.
const INLINE: usize = 3;
/// As many modes as fit in the room that the vector's pointer and length would need.
const MODES: usize = 16;
