//! The metering of the response to a request that passed.

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use http::response;
use pyo3::prelude::*;
use sluicegate::{Cost, StoreError};
use sluicegate_http::{Admission, Cut, Metering, Settling, Told};

use crate::{
    awaiting::{ToPython, begin},
    clock::AnyClock,
    event_loop,
    store::Store,
    transitions::warn,
};

type Admissions = Arc<Admission<Store, AnyClock>>;

/// A request that may pass, and the metering of its response.
pub(crate) struct Running {
    pub(crate) pass: Box<sluicegate_policy::Pass<Store>>,
    metering: Metering<Store>,
    /// None if its tokens are not metered.
    admission: Option<Admissions>,
}

impl Running {
    pub(crate) fn new(pass: Box<sluicegate_policy::Pass<Store>>, admission: &Admissions) -> Self {
        let admission = pass.reservation().is_some().then(|| Arc::clone(admission));
        Self { pass, metering: Metering::default(), admission }
    }

    /// Returns `true` if its tokens are metered.
    pub(crate) fn is_metered(&self) -> bool {
        self.admission.is_some()
    }

    /// Learns of the head of the response.
    pub(crate) fn answered(&mut self, head: &response::Parts) {
        self.metering.answered(&self.pass, head);
    }

    /// Sees the next bytes of the response. Returns the last bytes of a stream that is to be cut.
    pub(crate) fn data(&mut self, data: &[u8], is_last: bool) -> Option<Bytes> {
        self.metering.data(data);
        if is_last {
            // A response that has come as a whole needs no more tokens than its settlement takes.
            self.metering.complete();
            return None;
        }
        let gate = self.admission.as_ref()?.gate();
        // Nothing has to wake: the next bytes ask again, and the settlement waits for what is still asked.
        let cx = &mut Context::from_waker(Waker::noop());
        self.metering.extend(&mut self.pass, gate, cx).map(|Cut { last, .. }| last)
    }

    /// Learns that no response will come, because the application has failed.
    pub(crate) fn failed(&mut self) {
        if matches!(self.metering, Metering::Unanswered) {
            self.metering = Metering::Unserved;
        }
    }

    /// Settles the tokens by its response, without waiting for a store that is remote.
    pub(crate) fn settle_beside(self, py: Python<'_>) -> PyResult<()> {
        let settled = match self.settling() {
            Ok(None) => return Ok(()),
            Ok(Some(settling)) if event_loop::is_running(py) => {
                let told = async move { Settled(settling.await) };
                return begin(py, true, told).map(drop);
            }
            // No loop is left that could wait.
            Ok(Some(settling)) => py.detach(|| pollster::block_on(settling)),
            Err(error) => Err(error),
        };
        Settled(settled).to_python(py).map(drop)
    }

    /// Settles the tokens by what the application tells of them. What it does not tell stays as it was reserved.
    pub(crate) async fn settle_told(
        self,
        input: Option<Cost>,
        output: Option<Cost>,
    ) -> Result<(), StoreError> {
        let Some(admission) = self.admission else { return Ok(()) };
        let told = Told::Tokens { input: input.map(Cost::units), output: output.map(Cost::units) };
        let mut rest = None;
        admission.settle_told(self.pass, self.metering, None, told, |settling| rest = Some(settling))?;
        match rest {
            Some(settling) => settling.await,
            None => Ok(()),
        }
    }

    /// Begins to settle the tokens by its response. Returns the rest of it, where a store has to be waited for.
    fn settling(self) -> Result<Option<Settling>, StoreError> {
        let Some(admission) = self.admission else { return Ok(None) };
        let mut rest = None;
        admission.settle(self.pass, self.metering, None, |settling| rest = Some(settling))?;
        Ok(rest)
    }
}

/// The end of a settlement that nobody waits for.
struct Settled(Result<(), StoreError>);

impl ToPython for Settled {
    fn to_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Err(error) = self.0 {
            warn(py, &format!("the tokens of a request stay charged as estimated: {error}"))?;
        }
        Ok(py.None())
    }
}
