//! What a store has done.

use sluicegate::{Clock, MemoryStore};

/// What a store has done since it was opened, and what it holds now. What a kind of store does not have is zero.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Whether it is asked: it answers, or has not been found silent yet. Memory always is.
    pub up: bool,
    /// Calls that failed, by a late answer or none.
    pub errors: u64,
    /// How often it went from answering to not answering.
    pub outages: u64,
    /// Requests that this process's memory decided because the store did not answer.
    pub decided_locally: u64,
    /// Requests that passed because it did not answer.
    pub allowed: u64,
    /// Requests that were answered with an error because it did not answer.
    pub refused: u64,
    /// Denials that were answered from memory, because an earlier one still held.
    pub remembered_denials: u64,
    /// Takes that it was asked for.
    pub takes: u64,
    /// Calls over the network.
    pub round_trips: u64,
    /// Settlements that did not arrive in time: what they were about stays charged as estimated.
    pub lost_settlements: u64,
    /// Slots of concurrent limits that this process holds in it, by requests.
    pub live_leases: usize,
    /// Accounts in this process's memory: all of a memory store's, else those that stand in during an outage.
    pub live_keys: usize,
    /// Of those, the accounts that were forgotten for want of room before they had earned back what they spent.
    pub evictions: u64,
}

impl Figures {
    pub(crate) fn of_memory(memory: &MemoryStore<impl Clock>) -> Self {
        Self { up: true, live_keys: memory.len(), evictions: memory.evictions(), ..Self::default() }
    }
}
