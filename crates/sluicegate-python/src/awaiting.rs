//! The two ways of waiting for a store: a thread that waits, and a loop that goes on with something else.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use pyo3::{IntoPyObjectExt, exceptions::PyStopIteration, prelude::*};

use crate::{
    event_loop::{self, Outcome, Started},
    transitions,
};

/// A store's result, converted for Python.
pub(crate) trait ToPython: Send + 'static {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>>;
}

/// Waits for a future here. Other threads of Python go on meanwhile.
pub(crate) fn block<T: Send>(py: Python<'_>, future: impl Future<Output = T> + Send) -> T {
    let mut future = pin!(future);
    // Memory is done at once, and is not worth letting go of the interpreter.
    let value = match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => py.detach(|| pollster::block_on(future)),
    };
    transitions::tell(py);
    value
}

/// Begins a future: its value, if it has nothing to wait for, or an `asyncio.Future` of it.
pub(crate) fn begin<T: ToPython>(
    py: Python<'_>,
    waits: bool,
    future: impl Future<Output = T> + Send + 'static,
) -> PyResult<Started> {
    if !waits {
        let value = block(py, future);
        return value.to_python(py).map(Started::Done);
    }
    let answering = async move {
        let value = future.await;
        let outcome: Outcome = Box::new(move |py| value.to_python(py));
        outcome
    };
    event_loop::start(py, Box::pin(answering))
}

/// Something that can be awaited, whether or not there is anything to wait for.
pub(crate) fn awaitable(py: Python<'_>, started: Started) -> PyResult<Py<PyAny>> {
    match started {
        Started::Promised(promise) => Ok(promise),
        Started::Done(value) => Ready { value }.into_py_any(py),
    }
}

/// An awaitable that is there already.
#[pyclass(frozen)]
struct Ready {
    value: Py<PyAny>,
}

#[pymethods]
impl Ready {
    fn __await__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<()> {
        Err(PyStopIteration::new_err((self.value.clone_ref(py),)))
    }
}
