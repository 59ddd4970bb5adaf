//! `Limiter`.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyString, PyTuple},
};

use sluicegate::Cost;
use sluicegate_policy::WatchedKeys;

use crate::{
    awaiting::{ToPython, awaitable, begin, block},
    charge::Charge,
    charges::{Charges, Purpose, charges},
    clock::AnyClock,
    decision::Peeked,
    errors::{PolicyError, policy_error, store_error},
    limits::Limits,
    metrics::metrics,
    permit::{Done, Permit},
    policy::Policy,
    store::Store,
};

/// Decides for requests, on the balances of one store.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Limiter {
    limiter: sluicegate::Limiter<Store>,
    policy: Py<Policy>,
    /// The policy at work; gates of single routes have its accounts, clock and API keys.
    gate: Arc<sluicegate_policy::Gate<Store>>,
    clock: AnyClock,
    /// Its gates decide if `true`, and let everything pass otherwise.
    enabled: Arc<AtomicBool>,
    /// The file of API keys, where the policy names one.
    keys: Option<Mutex<WatchedKeys>>,
}

#[pymethods]
impl Limiter {
    #[new]
    #[pyo3(signature = (store = None, policy = None, *, clock = None))]
    fn new(
        py: Python<'_>,
        store: Option<&str>,
        policy: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let policy = match policy.map(|policy| policy.cast::<Policy>()) {
            Some(Ok(read)) if store.is_none() => read.get().clone(),
            Some(Ok(_)) => {
                return Err(PyTypeError::new_err("a Policy names its store: give no other beside it"));
            }
            _ => Policy::read(policy, store)?,
        };
        let clock = AnyClock::of(clock)?;
        let opened = Store::open(&policy.0.store, clock.clone()).map_err(|error| store_error(&error))?;
        let limiter = sluicegate::Limiter::new(opened);
        let store = Arc::downgrade(limiter.store());
        metrics().watch_store(move || store.upgrade().map(|store| store.statistics()));
        let gate = sluicegate_policy::Gate::new(policy.0.clone(), Arc::clone(limiter.store()), clock.clone());
        let gate = Arc::new(gate);
        let keys = policy.0.identity.api_keys.as_deref().map(|path| Mutex::new(WatchedKeys::at(path)));
        let limiter = Self {
            limiter,
            policy: Py::new(py, policy)?,
            gate,
            clock,
            enabled: Arc::new(AtomicBool::new(true)),
            keys,
        };
        limiter.refresh(py)?;
        Ok(limiter)
    }

    #[getter]
    fn store(&self) -> String {
        self.policy.get().0.store.url.to_string()
    }

    #[getter]
    fn policy(&self, py: Python<'_>) -> Py<Policy> {
        self.policy.clone_ref(py)
    }

    #[pyo3(signature = (limit, key, cost = None, *, tier = None))]
    fn charge(
        &self,
        limit: &str,
        key: &str,
        cost: Option<&Bound<'_, PyAny>>,
        tier: Option<&str>,
    ) -> PyResult<Charge> {
        let policy = self.read_policy();
        let id = policy.find_limit(limit).ok_or_else(|| {
            let known: Vec<_> = policy.limits.iter().map(sluicegate_policy::Limit::name).collect();
            PolicyError::new_err(format!("no limit is called {limit:?}; the policy has {}", known.join(", ")))
        })?;
        let tier = tier.and_then(|tier| policy.tiers.find(tier)).unwrap_or(policy.tiers.default_tier());
        let outage = policy.limit(id).outage();
        Charge::of_limit(self.gate.charge(id, key, tier, Cost::new(1)), outage, cost)
    }

    #[pyo3(signature = (*, outage = None, **quotas))]
    fn limits(
        &self,
        py: Python<'_>,
        outage: Option<&str>,
        quotas: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Limits> {
        let outage = outage.map_or(Ok(self.read_policy().store.outage), str::parse);
        let outage = outage.map_err(|error| policy_error(&error))?;
        let none = PyDict::new(py);
        Limits::of(quotas.unwrap_or(&none), outage, &self.limiter, &self.clock)
    }

    /// The path that answers with 2xx once the app has warmed up; none where it has, or the policy has no warm-up.
    #[getter]
    fn warming_up(&self) -> Option<&str> {
        let warmup = self.read_policy().warmup.as_ref()?;
        (!warmup.is_ready()).then(|| warmup.path())
    }

    #[getter]
    fn has_api_keys(&self) -> bool {
        self.keys.is_some()
    }

    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let Some(keys) = &self.keys else { return Ok(()) };
        // Others go on while the file is read.
        let read = py.detach(|| {
            let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = keys.changed(&self.read_policy().tiers);
            changed.map(|keys| keys.map(|keys| self.gate.replace_api_keys(keys)))
        });
        read.unwrap_or(Ok(())).map_err(|error| policy_error(&error))
    }

    fn ready(&self) {
        self.gate.upstream_is_ready();
    }

    #[pyo3(signature = (what, quota = None, cost = None))]
    fn take(
        &self,
        py: Python<'_>,
        what: &Bound<'_, PyAny>,
        quota: Option<&Bound<'_, PyAny>>,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.charges(what, quota, cost, Purpose::Taking)?.take(py, &self.limiter)
    }

    #[pyo3(signature = (what, quota = None, cost = None))]
    fn take_async(
        &self,
        py: Python<'_>,
        what: &Bound<'_, PyAny>,
        quota: Option<&Bound<'_, PyAny>>,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.charges(what, quota, cost, Purpose::Taking)?.take_async(py, self.limiter.clone())
    }

    #[pyo3(signature = (what, quota = None))]
    fn peek(
        &self,
        py: Python<'_>,
        what: &Bound<'_, PyAny>,
        quota: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (charges, one) = self.free(what, quota)?;
        let taking = block(py, charges.taken(&self.limiter));
        Peeked { taking, charges, one }.to_python(py)
    }

    #[pyo3(signature = (what, quota = None))]
    fn peek_async(
        &self,
        py: Python<'_>,
        what: &Bound<'_, PyAny>,
        quota: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (limiter, (charges, one)) = (self.limiter.clone(), self.free(what, quota)?);
        let peeking = async move {
            let taking = charges.taken(&limiter).await;
            Peeked { taking, charges, one }
        };
        awaitable(py, begin(py, self.waits(), peeking)?)
    }

    #[pyo3(signature = (permit, *actual))]
    fn settle(
        &self,
        py: Python<'_>,
        permit: &Bound<'_, Permit>,
        actual: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        permit.get().settle(py, actual)
    }

    #[pyo3(signature = (permit, *actual))]
    fn settle_async(
        &self,
        py: Python<'_>,
        permit: &Bound<'_, Permit>,
        actual: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        permit.get().settle_async(py, actual)
    }

    #[pyo3(signature = (what, quota = None))]
    fn reset(
        &self,
        py: Python<'_>,
        what: &Bound<'_, PyAny>,
        quota: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let charges = self.charges(what, quota, None, Purpose::Accounts)?;
        block(py, self.limiter.reset(&charges.charges)).map_err(|error| store_error(&error))
    }

    #[pyo3(signature = (what, quota = None))]
    fn reset_async(
        &self,
        py: Python<'_>,
        what: &Bound<'_, PyAny>,
        quota: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (limiter, charges) = (self.limiter.clone(), self.charges(what, quota, None, Purpose::Accounts)?);
        awaitable(py, begin(py, self.waits(), async move { Done(limiter.reset(&charges.charges).await) })?)
    }

    #[getter]
    fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        block(py, self.limiter.store().clear()).map_err(|error| store_error(&error))
    }

    fn clear_async(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let store = Arc::clone(self.limiter.store());
        awaitable(py, begin(py, self.waits(), async move { Done(store.clear().await) })?)
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        block(py, self.limiter.store().check()).map_err(|error| store_error(&error))
    }

    fn check_async(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let store = Arc::clone(self.limiter.store());
        awaitable(py, begin(py, self.waits(), async move { Done(store.check().await) })?)
    }

    fn __repr__(&self) -> String {
        format!("<Limiter on {}>", self.store())
    }
}

impl Limiter {
    /// The policy at work.
    pub(crate) fn gate(&self) -> &Arc<sluicegate_policy::Gate<Store>> {
        &self.gate
    }

    /// Returns the switch of its gates, which may be set at any time.
    pub(crate) fn switch(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.enabled)
    }

    fn read_policy(&self) -> &sluicegate_policy::Policy {
        self.gate.policy()
    }

    /// Its clock, which begins at the same moment for all that share it.
    pub(crate) fn clock(&self) -> AnyClock {
        self.clock.clone()
    }

    /// Returns `true` if its store is remote.
    pub(crate) fn waits(&self) -> bool {
        self.limiter.store().waits()
    }

    fn charges(
        &self,
        what: &Bound<'_, PyAny>,
        quota: Option<&Bound<'_, PyAny>>,
        cost: Option<&Bound<'_, PyAny>>,
        purpose: Purpose,
    ) -> PyResult<Charges> {
        self.clock.refresh(what.py());
        charges(what, quota, cost, self.read_policy().store.outage, purpose)
    }

    /// Charges that cost nothing, and whether a caller asked for one alone.
    fn free(&self, what: &Bound<'_, PyAny>, quota: Option<&Bound<'_, PyAny>>) -> PyResult<(Charges, bool)> {
        let one = what.is_instance_of::<PyString>() || what.is_instance_of::<Charge>();
        let mut charges = self.charges(what, quota, None, Purpose::Accounts)?;
        charges.charges.iter_mut().for_each(|charge| charge.cost = Cost::ZERO);
        Ok((charges, one))
    }
}
