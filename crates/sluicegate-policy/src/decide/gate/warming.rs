//! The warm-up of the upstream, as a gate applies it.

use sluicegate::Resilient;

use super::Gate;
use crate::Scale;

impl<S: Resilient> Gate<S> {
    /// The upstream has answered that it is ready: its warm-up ramps up and ends.
    pub fn upstream_is_ready(&self) {
        if let Some(warmup) = &self.policy.warmup {
            warmup.ready(self.now());
        }
    }

    /// Returns the scale of every limit at this moment: the whole, unless the upstream warms up.
    #[must_use]
    pub fn warmup_scale(&self) -> Scale {
        self.scale().unwrap_or(Scale::WHOLE)
    }

    /// The scale of every limit while the upstream warms up.
    pub(super) fn scale(&self) -> Option<Scale> {
        self.policy.warmup.as_ref().and_then(|warmup| warmup.scale(self.now()))
    }
}
