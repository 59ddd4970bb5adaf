//! The exceptions for Python users.

use pyo3::{create_exception, exceptions, prelude::*};

create_exception!(
    sluicegate,
    StoreError,
    exceptions::PyException,
    "The store did not answer, or cannot be used as it is."
);
create_exception!(
    sluicegate,
    PolicyError,
    exceptions::PyValueError,
    "A policy, or a limit written in code, makes no sense."
);

/// The engine's error, as Python users catch it.
pub(crate) fn store_error(error: &sluicegate::StoreError) -> PyErr {
    Python::attach(|py| {
        let raised = StoreError::new_err(error.to_string());
        // An exception without the attribute still says all that matters.
        let _ = raised.value(py).setattr("misconfiguration", error.is_misconfiguration());
        raised
    })
}

/// The exception for an error in a user's input.
pub(crate) fn policy_error(error: &impl std::fmt::Display) -> PyErr {
    PolicyError::new_err(error.to_string().trim_end().to_owned())
}
