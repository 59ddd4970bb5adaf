//! `Quota`.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use pyo3::{exceptions::PyTypeError, prelude::*};
use sluicegate::{Algorithm, Unit};

use crate::errors::{PolicyError, policy_error};

/// An amount of a unit per window.
#[pyclass(frozen, eq, module = "sluicegate")]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Quota(pub(crate) sluicegate::Quota);

#[pymethods]
impl Quota {
    #[new]
    #[pyo3(signature = (text, *, algorithm = None))]
    fn new(text: &Bound<'_, PyAny>, algorithm: Option<&str>) -> PyResult<Self> {
        with_algorithm(quota(text)?, algorithm).map(Self)
    }

    #[staticmethod]
    #[pyo3(signature = (text, *, algorithm = None))]
    fn parse(text: &str, algorithm: Option<&str>) -> PyResult<Self> {
        with_algorithm(parse(text)?, algorithm).map(Self)
    }

    #[staticmethod]
    #[pyo3(signature = (text, *, algorithm = None))]
    fn parse_list(text: &str, algorithm: Option<&str>) -> PyResult<Vec<Self>> {
        let quotas = parse_list(text)?;
        quotas.into_iter().map(|quota| with_algorithm(quota, algorithm).map(Self)).collect()
    }

    #[staticmethod]
    #[pyo3(signature = (amount, window, *, unit = "requests", algorithm = None))]
    fn of(amount: u64, window: f64, unit: &str, algorithm: Option<&str>) -> PyResult<Self> {
        let quota =
            Duration::try_from_secs_f64(window).ok().map(|window| sluicegate::Quota::new(amount, window));
        let quota =
            quota.ok_or_else(|| PolicyError::new_err(format!("a window cannot be {window} s long")))?;
        let quota = quota.map_err(|error| policy_error(&error))?;
        let unit: Unit = unit.parse().map_err(|error| policy_error(&error))?;
        let quota = quota.with_unit(unit).map_err(|error| policy_error(&error))?;
        with_algorithm(quota, algorithm).map(Self)
    }

    #[getter]
    fn amount(&self) -> u64 {
        self.0.amount()
    }

    #[getter]
    fn burst(&self) -> u64 {
        self.0.burst_size()
    }

    #[getter]
    fn window(&self) -> f64 {
        self.0.window().as_secs_f64()
    }

    #[getter]
    fn unit(&self) -> &'static str {
        self.0.unit().as_str()
    }

    #[getter]
    fn algorithm(&self) -> &'static str {
        self.0.algorithm().as_str()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Quota {}, {}>", self.0, self.0.algorithm().as_str())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }
}

/// A quota that is given as one, or as text.
pub(crate) fn quota(given: &Bound<'_, PyAny>) -> PyResult<sluicegate::Quota> {
    if let Ok(quota) = given.cast_exact::<Quota>() {
        return Ok(quota.get().0);
    }
    match given.extract::<Cow<'_, str>>() {
        Ok(text) => parse(&text),
        Err(_) => Err(PyTypeError::new_err(format!(
            "a quota is a str or a sluicegate.Quota, not {}",
            given.get_type()
        ))),
    }
}

/// A quota, or all that a text names.
pub(crate) fn parse_all(given: &Bound<'_, PyAny>) -> PyResult<Vec<sluicegate::Quota>> {
    match given.extract::<Cow<'_, str>>() {
        Ok(text) => parse_list(&text),
        Err(_) => Ok(vec![quota(given)?]),
    }
}

fn parse_list(text: &str) -> PyResult<Vec<sluicegate::Quota>> {
    sluicegate::Quota::parse_list(text).map_err(|error| policy_error(&error))
}

fn parse(text: &str) -> PyResult<sluicegate::Quota> {
    text.parse().map_err(|error: sluicegate::QuotaError| policy_error(&error))
}

/// The same quota, kept another way where one is named.
pub(crate) fn with_algorithm(
    quota: sluicegate::Quota,
    algorithm: Option<&str>,
) -> PyResult<sluicegate::Quota> {
    let Some(algorithm) = algorithm else { return Ok(quota) };
    let algorithm: Algorithm = algorithm.parse().map_err(|error| policy_error(&error))?;
    // Slots are what they are under every algorithm of windows, as in the policy file.
    if quota.algorithm() == Algorithm::Concurrent {
        return Ok(quota);
    }
    quota.with_algorithm(algorithm).map_err(|error| policy_error(&error))
}
