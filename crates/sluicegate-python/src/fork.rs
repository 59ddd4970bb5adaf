//! State that a forked process must no longer use.
//!
//! A child of `fork` has its parent's memory but none of its threads: a store elsewhere has to be opened anew there, and what
//! it had open is the parent's.

use std::{
    fmt, mem,
    ops::Deref,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use pyo3::{prelude::*, types::PyDict};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The number of forks between this process and the one that imported the module.
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

/// A value that only the process that made it may end: a store with its thread, a permit with its slots. A
/// child forgets its copy.
pub(crate) struct Own<T> {
    /// None only while it is dropped.
    value: Option<T>,
    generation: u64,
}

impl<T> Own<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), generation: generation() }
    }

    /// Returns `true` if this process made it.
    pub(crate) fn is_ours(&self) -> bool {
        self.generation == generation()
    }

    /// The value, in the process that made it.
    fn value_mut(&mut self) -> Option<&mut T> {
        if self.is_ours() { self.value.as_mut() } else { None }
    }

    /// The value, in the process that made it.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        self.is_ours().then(|| self.value.take()).flatten()
    }
}

impl<T> Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if !self.is_ours() {
            mem::forget(self.value.take());
        }
    }
}

/// A value that can be taken once, in the process that made it.
pub(crate) struct Held<T>(Mutex<Option<Own<T>>>);

impl<T> Held<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(Some(Own::new(value))))
    }

    /// Nothing, as if it had been taken.
    pub(crate) fn taken() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.lock().take()?.into_inner()
    }

    /// Looks at it, if it is there. It is locked meanwhile: `look` leaves Python alone.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock().as_ref().map(|value| look(value))
    }

    /// Changes it, if it is there and this process made it. It is locked meanwhile: `change` leaves Python alone.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.lock().as_mut()?.value_mut().map(change)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Own<T>>> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.lock().is_some() { "not settled" } else { "settled or released" })
    }
}
