//! An allowed request in the log.

use http::StatusCode;
use sluicegate_policy::Refusal;

use super::Time;

/// An allowed request in the log, whose end is not logged yet.
#[derive(Debug)]
pub struct Logged {
    pub(super) id: u64,
    pub(super) decided: Time,
    pub(super) status: Option<StatusCode>,
    pub(super) error: Option<&'static str>,
    pub(super) is_complete: bool,
}

impl Logged {
    pub(super) fn new(id: u64, decided: Time) -> Self {
        Self { id, decided, status: None, error: None, is_complete: false }
    }

    /// Learns the status of the upstream's response.
    pub fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Learns that the upstream gave no response, and that the client gets this refusal.
    pub fn failed(&mut self, refusal: &Refusal) {
        (self.status, self.error) = (Some(refusal.status()), Some(refusal.code()));
    }

    /// Learns that the upstream's response has come to its end.
    pub fn complete(&mut self) {
        self.is_complete = true;
    }
}
