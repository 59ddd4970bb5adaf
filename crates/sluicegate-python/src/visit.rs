//! `Visit`: a decision that waits for the request's body.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use pyo3::{IntoPyObjectExt, exceptions::PyRuntimeError, prelude::*};
use sluicegate_policy::{Progress, Reading, Refusal};

use crate::{
    awaiting::{ToPython, begin},
    event_loop::Started,
    gate::Decided,
};

/// A decision that is not made yet: it wants to read the request's body first.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct Visit {
    waits: bool,
    /// None once the decision has gone on.
    state: Mutex<Option<(Read, Deciding)>>,
}

#[pymethods]
impl Visit {
    /// Takes the next piece of the body. Returns whether no more is needed.
    fn take(&self, piece: Vec<u8>, is_last: bool) -> PyResult<bool> {
        let mut state = self.lock();
        let (read, _) = state.as_mut().ok_or_else(gone)?;
        let Ok(reading) = read else { return Ok(true) };
        let taken = match (reading.take(Bytes::from(piece)), is_last) {
            (Ok(Progress::More), true) => reading.end().map(|()| Progress::Enough),
            (taken, _) => taken,
        };
        let is_enough = !matches!(taken, Ok(Progress::More));
        if let Err(refusal) = taken {
            *read = Err(refusal);
        }
        Ok(is_enough)
    }

    /// Takes the fields of a form that has been read already, in place of the body.
    fn take_fields(&self, fields: Vec<(String, String)>) -> PyResult<()> {
        let mut state = self.lock();
        let (read, _) = state.as_mut().ok_or_else(gone)?;
        if let Ok(reading) = read {
            reading.end_with_fields(fields);
        }
        Ok(())
    }

    /// Continues the decision with the body so far.
    fn decide(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let (read, deciding) = self.lock().take().ok_or_else(gone)?;
        deciding.handoff.put(read);
        deciding.begin(py, self.waits)
    }
}

impl Visit {
    fn lock(&self) -> MutexGuard<'_, Option<(Read, Deciding)>> {
        // A thread that panicked here has left it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone() -> PyErr {
    PyRuntimeError::new_err("this visit has been decided")
}

/// A request that is being decided.
pub(crate) struct Deciding {
    future: Pin<Box<dyn Future<Output = Decided> + Send>>,
    handoff: BodyHandoff,
}

impl Deciding {
    /// `decide` asks the handoff for a body when it needs one.
    pub(crate) fn new<F>(decide: impl FnOnce(BodyHandoff) -> F) -> Self
    where
        F: Future<Output = Decided> + Send + 'static,
    {
        let handoff = BodyHandoff::default();
        Self { future: Box::pin(decide(handoff.clone())), handoff }
    }

    /// Returns the decision, a visit that wants a body, or an `asyncio.Future` of either.
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
            Started::Done(value) | Started::Pending(value) => value,
        })
    }

    /// Takes one step: to the decision, to a request for the body, or to neither yet.
    fn step(mut self, context: &mut Context<'_>) -> Result<Step, Self> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(decided) => Ok(Step::Decided(decided)),
            Poll::Pending => match self.handoff.wanted() {
                Some(reading) => Ok(Step::Body(reading, self)),
                None => Err(self),
            },
        }
    }
}

/// The progress of a decision.
enum Step {
    Decided(Decided),
    Body(Box<Reading>, Deciding),
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
            Step::Body(reading, deciding) => {
                Visit { waits: self.waits, state: Mutex::new(Some((Ok(reading), deciding))) }.into_py_any(py)
            }
        }
    }
}

/// The handoff of a body: a decision asks for it, and Python delivers it.
#[derive(Clone, Default)]
pub(crate) struct BodyHandoff(Arc<Mutex<HandoffState>>);

/// A reading that Python has completed, or the reason why it could not.
pub(crate) type Read = Result<Box<Reading>, Refusal>;

#[derive(Default)]
enum HandoffState {
    #[default]
    Nothing,
    Wanted(Box<Reading>),
    /// Python is reading.
    Taken,
    Given(Read),
}

impl BodyHandoff {
    /// The reading with as much of the body as it needs, once that is there.
    pub(crate) async fn read(&self, reading: Box<Reading>) -> Read {
        *self.lock() = HandoffState::Wanted(reading);
        // No waker is needed: the caller that delivers the body polls the decision itself.
        poll_fn(|_| {
            let mut state = self.lock();
            match mem::take(&mut *state) {
                HandoffState::Given(given) => Poll::Ready(given),
                other => {
                    *state = other;
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn wanted(&self) -> Option<Box<Reading>> {
        let mut state = self.lock();
        match mem::replace(&mut *state, HandoffState::Taken) {
            HandoffState::Wanted(reading) => Some(reading),
            other => {
                *state = other;
                None
            }
        }
    }

    fn put(&self, given: Read) {
        *self.lock() = HandoffState::Given(given);
    }

    fn lock(&self) -> MutexGuard<'_, HandoffState> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
