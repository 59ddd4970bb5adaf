//! Telling Python's log that a store stopped answering, or answers again.
//!
//! A store reports it while it holds a lock, and a thread that waits for that lock may hold the
//! interpreter's. So it is only noted there. The next thread with the interpreter's lock and no other reports
//! it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use pyo3::prelude::*;
use sluicegate::Transition;

static NOTED: AtomicBool = AtomicBool::new(false);
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Remembers it, to be said soon.
pub(crate) fn note(transition: &Transition) {
    notes().push(transition.to_string());
    NOTED.store(true, Ordering::Release);
}

/// Logs the transitions that have been noted.
#[inline]
pub(crate) fn tell(py: Python<'_>) {
    if NOTED.swap(false, Ordering::Acquire) {
        // No longer locked while Python's log runs, which may be any code.
        let noted = std::mem::take(&mut *notes());
        for note in noted {
            // Where logging fails, as it does while the interpreter ends, limits go on.
            let _ = warn(py, &note);
        }
    }
}

/// Writes a warning to Python's log.
pub(crate) fn warn(py: Python<'_>, note: &str) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("sluicegate",))?;
    logger.call_method1("warning", (note,)).map(drop)
}

fn notes() -> MutexGuard<'static, Vec<String>> {
    // Nothing panics while it is locked.
    NOTES.lock().unwrap_or_else(PoisonError::into_inner)
}
