//! The charges of one request.

use sluicegate::Charge;
use smallvec::SmallVec;

use crate::{LimitId, Mode, Scale, Usage};

/// The charges of one request: on the limits that deny, index by index, and on each shadow limit.
#[derive(Default)]
pub(super) struct Bill {
    pub(super) limits: SmallVec<[LimitId; 2]>,
    pub(super) charges: SmallVec<[Charge; 2]>,
    pub(super) shadow: Vec<(LimitId, Charge)>,
    /// The tokens that the request may use, where its route meters them.
    pub(super) usage: Option<Usage>,
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
