//! `Policy`.

use std::path::PathBuf;

use pyo3::{
    prelude::*,
    types::{PyDict, PyMapping},
};
use sluicegate_policy::{Mode, Overrides, Source};

use crate::{errors::policy_error, quota::Quota};

/// A policy file, read and understood.
#[pyclass(frozen, module = "sluicegate")]
#[derive(Clone)]
pub(crate) struct Policy(pub(crate) sluicegate_policy::Policy);

#[pymethods]
impl Policy {
    #[new]
    fn new(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::read(Some(source), None)
    }

    /// The quotas of the policy's limits, by their names, as the default tier has them.
    #[getter]
    fn limits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let limits = PyDict::new(py);
        let tier = self.0.tiers.default_tier();
        for limit in &self.0.limits {
            limits.set_item(limit.name(), Quota(limit.quota(tier)))?;
        }
        Ok(limits)
    }

    /// Returns `true` if requests to a path, or to a template of paths, can be denied by a limit.
    fn is_limited(&self, method: &str, path: &str) -> bool {
        let Ok(method) = method.parse() else { return false };
        let Ok(found) = self.0.routes.find(&method, path) else { return false };
        let limits = self.0.routes.get(found.route).limits();
        limits.iter().any(|id| self.0.limit(*id).mode() == Mode::Enforce)
    }

    fn __repr__(&self) -> String {
        let (routes, limits) = (self.0.routes.as_slice().len() - 1, self.0.limits.len());
        format!("<Policy: {routes} routes, {limits} limits>")
    }
}

impl Policy {
    /// Reads a policy from a file, a mapping or nothing, with the environment's `SLUICEGATE_…` and the store's URL over it.
    pub(crate) fn read(source: Option<&Bound<'_, PyAny>>, store: Option<&str>) -> PyResult<Self> {
        let overrides = Overrides::default().environment();
        let overrides = match store {
            Some(url) => overrides.flag("store", "store.url", url),
            None => overrides,
        };
        let source = match source {
            None => Source::empty(),
            Some(source) => read(source)?,
        };
        let policy = sluicegate_policy::Policy::parse(&source.with(overrides));
        policy.map(Self).map_err(|errors| policy_error(&errors))
    }
}

fn read(source: &Bound<'_, PyAny>) -> PyResult<Source> {
    if let Ok(mapping) = source.cast::<PyMapping>() {
        let py = source.py();
        let mapping = PyDict::from_sequence(&mapping.items()?.into_any())?;
        let json: String = py.import("json")?.call_method1("dumps", (mapping,))?.extract()?;
        let value = serde_json::from_str(&json).map_err(|error| policy_error(&error))?;
        return Source::of_json("policy", &value).map_err(|errors| policy_error(&errors));
    }
    let path: PathBuf = source.extract()?;
    Source::read(&path).map_err(|errors| policy_error(&errors))
}
