//! The charges of one request.

use sluicegate::Charge;
use smallvec::SmallVec;

use crate::{LimitId, Mode, Scale};

/// The charges of one request: on the limits that deny, index by index, and on each shadow limit.
#[derive(Default)]
pub(super) struct Bill {
    pub(super) limits: SmallVec<[LimitId; 2]>,
    pub(super) charges: SmallVec<[Charge; 2]>,
    pub(super) shadow: Vec<(LimitId, Charge)>,
    /// Of every quota, while the upstream warms up.
    pub(super) scale: Option<Scale>,
}

impl Bill {
    pub(super) fn add(&mut self, id: LimitId, mode: Mode, charge: Charge) {
        match mode {
            Mode::Enforce => {
                self.limits.push(id);
                self.charges.push(charge);
            }
            Mode::Shadow => self.shadow.push((id, charge)),
        }
    }
}
