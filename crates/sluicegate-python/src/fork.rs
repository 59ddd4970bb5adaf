//! What a forked process must not use any more.
//!
//! A child of `fork` has its parent's memory but none of its threads: a store elsewhere has to be opened anew there, and what
//! it had open is the parent's.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::{prelude::*, types::PyDict};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How many forks lie between this process and the one that imported the module.
#[inline]
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Counts forks from now on.
pub(crate) fn watch(py: Python<'_>) -> PyResult<()> {
    let options = PyDict::new(py);
    options.set_item("after_in_child", wrap_pyfunction!(forked, py)?)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&options))?;
    Ok(())
}

#[pyfunction]
fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
