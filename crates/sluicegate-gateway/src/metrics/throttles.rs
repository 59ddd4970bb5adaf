//! Decisions by the Redis protocol, as metrics.

use prometheus_client::{encoding::EncodeLabelSet, metrics::counter::Counter, registry::Registry};
use sluicegate_metrics::Family;

/// The decisions of each command. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Throttles {
    pub(crate) redis_cell: ThrottleCounts,
    pub(crate) throttlecrab: ThrottleCounts,
    family: Family<ThrottleLabels, Counter>,
}

/// The decisions of one command.
#[derive(Clone, Debug)]
pub(crate) struct ThrottleCounts {
    pub(crate) allowed: Counter,
    pub(crate) denied: Counter,
    /// Commands with wrong arguments, or without a response from the store.
    pub(crate) errors: Counter,
}

impl Throttles {
    /// Nothing is decided.
    pub(crate) fn new() -> Self {
        let family = Family::<ThrottleLabels, Counter>::default();
        let counts = |command| {
            let of = |decision| family.series(&ThrottleLabels { command, decision });
            ThrottleCounts { allowed: of("allow"), denied: of("deny"), errors: of("error") }
        };
        Self { redis_cell: counts("cl.throttle"), throttlecrab: counts("throttle"), family }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Decisions by the Redis protocol, by their command";
        registry.register("throttle_decisions", help, self.family.clone());
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct ThrottleLabels {
    command: &'static str,
    decision: &'static str,
}
