//! The two ways of waiting for a store: blocking a thread, and awaiting in an event loop.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use pyo3::{IntoPyObjectExt, exceptions::PyStopIteration, prelude::*};

use crate::{
    event_loop::{self, Completion, Started},
    transitions,
};

/// A store's result, converted for Python.
pub(crate) trait ToPython: Send + 'static {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>>;
}

/// Blocks on a future. Other threads of Python run meanwhile.
pub(crate) fn block<T: Send>(py: Python<'_>, future: impl Future<Output = T> + Send) -> T {
    let mut future = pin!(future);
    // Memory is ready at once, and is not worth releasing the interpreter for.
    let value = match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => py.detach(|| pollster::block_on(future)),
    };
    transitions::tell(py);
    value
}

/// Starts a future. Returns its value if it is ready, and an `asyncio.Future` of it otherwise.
pub(crate) fn begin<T: ToPython>(
    py: Python<'_>,
    waits: bool,
    future: impl Future<Output = T> + Send + 'static,
) -> PyResult<Started> {
    if !waits {
        let value = block(py, future);
        return value.to_python(py).map(Started::Done);
    }
    let completion = async move {
        let value = future.await;
        let completion: Completion = Box::new(move |py| value.to_python(py));
        completion
    };
    event_loop::start(py, Box::pin(completion))
}

/// Makes an awaitable, also of a value that is ready.
pub(crate) fn awaitable(py: Python<'_>, started: Started) -> PyResult<Py<PyAny>> {
    match started {
        Started::Pending(awaited) => Ok(awaited),
        Started::Done(value) => Ready { value }.into_py_any(py),
    }
}

/// An awaitable that is ready.
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
