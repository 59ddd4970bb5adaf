//! `Answer`.

use std::{
    hash::RandomState,
    sync::{Arc, LazyLock},
};

use http::{HeaderValue, StatusCode, header};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList},
};
use sluicegate_policy::{Gate, Policy, Reason};

use crate::{balance::seconds, headers::lines, store::Store};

/// What is sent to a request that may not pass.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Answer {
    answer: Box<sluicegate_policy::Answer>,
    /// Whose answer it is.
    gate: Arc<Gate<Store>>,
}

impl Answer {
    pub(crate) fn new(answer: Box<sluicegate_policy::Answer>, gate: Arc<Gate<Store>>) -> Self {
        Self { answer, gate }
    }

    fn policy(&self) -> &Policy {
        self.gate.policy()
    }
}

#[pymethods]
impl Answer {
    #[getter]
    fn allowed(&self) -> bool {
        false
    }

    fn __bool__(&self) -> bool {
        false
    }

    #[getter]
    fn status(&self) -> u16 {
        self.answer.response.status().as_u16()
    }

    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let response = &self.answer.response;
        let length = HeaderValue::from(response.body().len());
        // An answer that never has a body has no length either (RFC 9110, section 8.6).
        let length =
            (response.status() != StatusCode::NO_CONTENT).then_some((&header::CONTENT_LENGTH, &length));
        lines(py, response.headers().iter().chain(length))
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.answer.response.body())
    }

    #[getter]
    fn code(&self) -> &'static str {
        match &self.answer.reason {
            Reason::Denied(_) => "rate_limit_exceeded",
            Reason::Refused(refusal) => refusal.code(),
            Reason::Preflight => "preflight",
        }
    }

    #[getter]
    fn route(&self) -> &str {
        self.policy().routes.get(self.answer.route).label()
    }

    /// The name of the limit that denied.
    #[getter]
    fn limit(&self) -> Option<&str> {
        match &self.answer.reason {
            Reason::Denied(denied) => Some(self.policy().limit(denied.limit).name()),
            Reason::Refused(_) | Reason::Preflight => None,
        }
    }

    /// The account's key, as logs may write it.
    #[getter]
    fn key(&self) -> Option<String> {
        match &self.answer.reason {
            Reason::Denied(denied) => Some(self.policy().gateway.log_keys.written(&denied.key, &HASHER)),
            Reason::Refused(_) | Reason::Preflight => None,
        }
    }

    #[getter]
    fn retry_after(&self) -> Option<f64> {
        match &self.answer.reason {
            Reason::Denied(denied) => seconds(denied.wait),
            Reason::Refused(_) | Reason::Preflight => None,
        }
    }

    /// What the store said instead of an answer, where that is why. For logs.
    #[getter]
    fn store_error(&self) -> Option<String> {
        self.answer.store_error.as_ref().map(ToString::to_string)
    }

    fn __repr__(&self) -> String {
        format!("<Answer {} {} on {}>", self.status(), self.code(), self.route())
    }
}

/// One for all answers: keys can be told apart in the log of one process.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
