//! One caller asks for all.

use super::breaker::Breaker;
use crate::{Clock, StoreError};

/// The right, which one caller has, to ask a server whose circuit is open. When it is dropped, because the caller went
/// away before the answer came, somebody else probes later.
#[must_use]
pub(super) struct Probe<'a, C: Clock> {
    breaker: &'a Breaker<C>,
    concluded: bool,
}

impl<'a, C: Clock> Probe<'a, C> {
    pub(super) fn of(breaker: &'a Breaker<C>) -> Self {
        Self { breaker, concluded: false }
    }

    /// The server answered: the circuit closes.
    pub(super) fn succeeded(mut self) {
        self.concluded = true;
        self.breaker.close();
    }

    /// It did not.
    pub(super) fn failed(mut self, error: &StoreError) {
        self.concluded = true;
        self.breaker.stay_open(error);
    }

    /// The caller was answered without asking the server: the next one probes.
    pub(super) fn unused(mut self) {
        self.concluded = true;
        self.breaker.probe_at_once();
    }
}

impl<C: Clock> Drop for Probe<'_, C> {
    fn drop(&mut self) {
        if !self.concluded {
            self.breaker.probe_later();
        }
    }
}
