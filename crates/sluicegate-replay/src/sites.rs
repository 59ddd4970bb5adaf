//! Gates for the gateways that wrote a log.

use std::sync::Arc;

use sluicegate::{ManualClock, MemoryStore};
use sluicegate_policy::{Gate, Policy, StoreKind};

use crate::record::Start;

pub(crate) type Store = MemoryStore<ManualClock>;

/// Gates of one policy, one for each gateway whose accounts are in its own memory. All others share one.
pub(crate) struct Sites {
    shared: Gate<Store>,
    /// Gates of gateways by the first digits of their requests' ids, the last started one last.
    own: Vec<(u64, Gate<Store>)>,
    clock: ManualClock,
}

impl Sites {
    pub(crate) fn new(policy: Policy, clock: ManualClock) -> Self {
        let store = store(&policy, &clock);
        Self { shared: Gate::new(policy, store, clock.clone()), own: Vec::new(), clock }
    }

    pub(crate) fn policy(&self) -> &Policy {
        self.shared.policy()
    }

    /// A gateway begins to write. Its accounts in memory begin anew if it has started.
    pub(crate) fn start(&mut self, start: Start) {
        let policy = self.policy();
        let is_known = self.own.iter().any(|(process, _)| *process == start.process);
        if !start.in_memory || policy.store.url.kind() != StoreKind::Memory || (is_known && !start.fresh) {
            return;
        }
        let gate = Gate::new(policy.clone(), store(policy, &self.clock), self.clock.clone());
        self.own.retain(|(process, _)| *process != start.process);
        if self.own.len() >= MOST {
            self.own.remove(0);
        }
        self.own.push((start.process, gate));
    }

    /// The gate for the request with this id, if the log tells ids.
    pub(crate) fn gate(&self, id: Option<u64>) -> &Gate<Store> {
        self.gate_of(id.map(|id| id >> DIGITS_BEHIND))
    }

    /// The gate of this process, if the log tells processes.
    pub(crate) fn gate_of(&self, process: Option<u64>) -> &Gate<Store> {
        let own = self.own.iter().rev().find(|(known, _)| Some(*known) == process);
        own.map_or(&self.shared, |(_, gate)| gate)
    }

    /// Accounts that were evicted for lack of room.
    pub(crate) fn evictions(&self) -> u64 {
        let all = std::iter::once(&self.shared).chain(self.own.iter().map(|(_, gate)| gate));
        all.map(|gate| gate.store().evictions()).sum()
    }
}

fn store(policy: &Policy, clock: &ManualClock) -> Arc<Store> {
    Arc::new(MemoryStore::builder().max_keys(policy.store.max_keys).clock(clock.clone()).build())
}

/// Bits of an id behind the six digits of its process.
const DIGITS_BEHIND: u32 = 40;

/// Gateways that may run at the same time. A log with more restarts than this forgets the first ones.
const MOST: usize = 64;
