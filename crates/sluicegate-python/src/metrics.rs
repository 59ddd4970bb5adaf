//! The decisions of this process.

use std::sync::OnceLock;

use pyo3::{exceptions::PyRuntimeError, prelude::*};
use sluicegate_metrics::{Format, Metrics};

/// The metrics of everything that this process decides.
pub(crate) fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(Metrics::new)
}

/// The media type and the text of the metrics, in the format that `accept` prefers.
#[pyfunction]
pub(crate) fn exposition(accept: &str) -> PyResult<(&'static str, String)> {
    let format = Format::preferred([accept]);
    let text = metrics().write(format).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok((format.content_type(), text))
}
