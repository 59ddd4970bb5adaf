//! `Visit`: a decision that waits for the request's body.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use pyo3::{IntoPyObjectExt, exceptions::PyRuntimeError, prelude::*};

use crate::{
    awaiting::{ToPython, begin},
    event_loop::Started,
    gate::Decided,
};

/// A decision that is not made yet: it wants the request's body first.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Visit {
    body_limit: u64,
    waits: bool,
    /// None once the body has been given.
    deciding: Mutex<Option<Deciding>>,
}

#[pymethods]
impl Visit {
    /// The most bytes of body that are read.
    #[getter]
    fn body_limit(&self) -> u64 {
        self.body_limit
    }

    /// Goes on with the body, or with None where it is longer than the limit.
    fn give(&self, py: Python<'_>, body: Option<Vec<u8>>) -> PyResult<Py<PyAny>> {
        let deciding = self.deciding.lock().unwrap_or_else(PoisonError::into_inner).take();
        let deciding = deciding.ok_or_else(|| PyRuntimeError::new_err("this visit has been given a body"))?;
        deciding.desk.put(match body {
            Some(body) => Body::Whole(Bytes::from(body)),
            None => Body::TooLarge,
        });
        deciding.begin(py, self.waits)
    }
}

/// A request that is being decided.
pub(crate) struct Deciding {
    future: Pin<Box<dyn Future<Output = Decided> + Send>>,
    desk: Desk,
}

impl Deciding {
    /// `decide` asks at the desk for a body when it needs one.
    pub(crate) fn new<F>(decide: impl FnOnce(Desk) -> F) -> Self
    where
        F: Future<Output = Decided> + Send + 'static,
    {
        let desk = Desk::default();
        Self { future: Box::pin(decide(desk.clone())), desk }
    }

    /// The decision, a visit that wants a body, or a promise of either.
    pub(crate) fn begin(self, py: Python<'_>, waits: bool) -> PyResult<Py<PyAny>> {
        let mut deciding = Some(self);
        let step = poll_fn(move |context| match deciding.take() {
            Some(now) => {
                now.step(context).map_err(|later| deciding = Some(later)).map_or(Poll::Pending, Poll::Ready)
            }
            None => Poll::Pending,
        });
        let begun = begin(py, waits, async move { step.await.with(waits) })?;
        Ok(match begun {
            Started::Done(value) | Started::Promised(value) => value,
        })
    }

    /// One step: the decision, the wish for a body, or nothing yet.
    fn step(mut self, context: &mut Context<'_>) -> Result<Step, Self> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(decided) => Ok(Step::Decided(decided)),
            Poll::Pending => match self.desk.wanted() {
                Some(limit) => Ok(Step::Body(limit, self)),
                None => Err(self),
            },
        }
    }
}

/// How far a decision has come.
enum Step {
    Decided(Decided),
    Body(u64, Deciding),
}

impl Step {
    fn with(self, waits: bool) -> Stepped {
        Stepped { step: self, waits }
    }
}

struct Stepped {
    step: Step,
    waits: bool,
}

impl ToPython for Stepped {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.step {
            Step::Decided(decided) => decided.to_python(py),
            Step::Body(body_limit, deciding) => {
                Visit { body_limit, waits: self.waits, deciding: Mutex::new(Some(deciding)) }.into_py_any(py)
            }
        }
    }
}

/// Where a decision asks for a body, and Python lays it down.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Lying>>);

/// What Python has read.
pub(crate) enum Body {
    Whole(Bytes),
    TooLarge,
}

#[derive(Default)]
enum Lying {
    #[default]
    Nothing,
    Wanted(u64),
    Given(Body),
}

impl Desk {
    /// The body, once it is there.
    pub(crate) async fn body(&self, limit: u64) -> Body {
        *self.lock() = Lying::Wanted(limit);
        // Nobody is woken: whoever gives the body polls the decision itself.
        poll_fn(|_| {
            let mut lying = self.lock();
            match mem::take(&mut *lying) {
                Lying::Given(given) => Poll::Ready(given),
                other => {
                    *lying = other;
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn wanted(&self) -> Option<u64> {
        match *self.lock() {
            Lying::Wanted(limit) => Some(limit),
            _ => None,
        }
    }

    fn put(&self, given: Body) {
        *self.lock() = Lying::Given(given);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lying> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
