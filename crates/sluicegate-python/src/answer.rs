//! `Answer`.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList},
};
use sluicegate_http::DenialLog;
use sluicegate_policy::{Denied, Gate, LogKeys, Policy, Rejection};

use crate::{balance::seconds, headers::lines, store::Store};

/// The response to a request that is not admitted.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Answer {
    rejection: Rejection,
    response: Response<Bytes>,
    /// The gate that rejected it.
    gate: Arc<Gate<Store>>,
}

impl Answer {
    pub(crate) fn new(rejection: Rejection, response: Response<Bytes>, gate: Arc<Gate<Store>>) -> Self {
        Self { rejection, response, gate }
    }

    fn denied(&self) -> Option<&Denied> {
        match &self.rejection {
            Rejection::Denied(denied) => Some(denied),
            Rejection::Refused(_) | Rejection::Preflight { .. } => None,
        }
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
        self.response.status().as_u16()
    }

    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let response = &self.response;
        let length = HeaderValue::from(response.body().len());
        // An answer that never has a body has no length either (RFC 9110, section 8.6).
        let length =
            (response.status() != StatusCode::NO_CONTENT).then_some((&header::CONTENT_LENGTH, &length));
        lines(py, response.headers().iter().chain(length))
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.response.body())
    }

    #[getter]
    fn code(&self) -> &'static str {
        self.rejection.code()
    }

    #[getter]
    fn route(&self) -> &str {
        self.policy().routes.get(self.rejection.route()).label()
    }

    /// The name of the limit that denied.
    #[getter]
    fn limit(&self) -> Option<&str> {
        Some(self.policy().limit(self.denied()?.limit()).name())
    }

    /// The account's key, as logs may write it.
    #[getter]
    fn key(&self) -> Option<String> {
        let log = LOG.with_keys(self.policy().gateway.log_keys);
        Some(log.written(self.denied()?.key()))
    }

    #[getter]
    fn retry_after(&self) -> Option<f64> {
        seconds(self.denied()?.wait())
    }

    /// The store's error, if that is the reason. For logs.
    #[getter]
    fn store_error(&self) -> Option<String> {
        match &self.rejection {
            Rejection::Refused(refused) => refused.store_error.as_ref().map(ToString::to_string),
            Rejection::Denied(_) | Rejection::Preflight { .. } => None,
        }
    }

    fn __repr__(&self) -> String {
        format!("<Answer {} {} on {}>", self.status(), self.code(), self.route())
    }
}

/// One for all answers: keys can be told apart in the log of one process.
static LOG: LazyLock<DenialLog> = LazyLock::new(|| DenialLog::new(LogKeys::default()));
