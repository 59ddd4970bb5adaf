//! Statistics of a store, for metrics.

use std::{iter::Sum, ops::Add};

use sluicegate::{Clock, MemoryStore, ServerState};

use crate::Units;

/// Counters of a store since it was opened, and gauges of what it holds now. Those that a kind of store lacks are zero.
///
/// Those of several stores are added up; together they are up when each is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StoreStatistics {
    /// `true` if it answers, as far as is known. Memory always does.
    pub up: bool,
    /// Calls that failed, by a late answer or none.
    pub errors: u64,
    /// Times that one of its servers stopped answering.
    pub outages: u64,
    /// Its servers one by one, those of one address added up. Empty if the store is this process's memory.
    pub servers: Vec<ServerState>,
    /// Requests that this process's memory decided, at least in part, because the store did not answer.
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
    /// Settlements that did not arrive in time. Their charges stay at the estimate.
    pub lost_settlements: u64,
    /// Slots of concurrent limits that this process holds in it, by requests.
    pub live_leases: usize,
    /// Accounts in this process's memory: all of a memory store's, else those that stand in during an outage.
    pub live_keys: usize,
    /// Of those, the accounts that were forgotten for want of room before they had earned back what they spent.
    pub evictions: u64,
    /// Requests that chunks of quotas paid, without a call.
    pub decided_by_chunks: u64,
    /// Chunks taken from the store.
    pub chunks: u64,
    /// Chunks held now.
    pub live_chunks: usize,
    /// Units that lie in the chunks held now.
    pub idle_units: Units,
    /// Units of chunks that ended unspent.
    pub expired_units: Units,
}

impl StoreStatistics {
    /// The statistics of no store at all, which counts as up.
    #[must_use]
    pub fn none() -> Self {
        Self { up: true, ..Self::default() }
    }

    /// Returns the counters, which survive the store, without the gauges.
    #[must_use]
    pub fn when_gone(self) -> Self {
        let gone = |server| ServerState { up: None, ..server };
        let servers = self.servers.into_iter().map(gone).collect();
        Self {
            up: true,
            live_leases: 0,
            live_keys: 0,
            live_chunks: 0,
            idle_units: Units::default(),
            servers,
            ..self
        }
    }

    pub(crate) fn of_memory(memory: &MemoryStore<impl Clock>) -> Self {
        Self { up: true, live_keys: memory.len(), evictions: memory.evictions(), ..Self::default() }
    }
}

impl Add for StoreStatistics {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            up: self.up && other.up,
            errors: self.errors + other.errors,
            outages: self.outages + other.outages,
            servers: other.servers.into_iter().fold(self.servers, with),
            decided_locally: self.decided_locally + other.decided_locally,
            allowed: self.allowed + other.allowed,
            refused: self.refused + other.refused,
            remembered_denials: self.remembered_denials + other.remembered_denials,
            takes: self.takes + other.takes,
            round_trips: self.round_trips + other.round_trips,
            lost_settlements: self.lost_settlements + other.lost_settlements,
            live_leases: self.live_leases + other.live_leases,
            live_keys: self.live_keys + other.live_keys,
            evictions: self.evictions + other.evictions,
            decided_by_chunks: self.decided_by_chunks + other.decided_by_chunks,
            chunks: self.chunks + other.chunks,
            live_chunks: self.live_chunks + other.live_chunks,
            idle_units: self.idle_units + other.idle_units,
            expired_units: self.expired_units + other.expired_units,
        }
    }
}

/// Adds one more server.
fn with(mut servers: Vec<ServerState>, other: ServerState) -> Vec<ServerState> {
    match servers.iter_mut().find(|server| server.server == other.server) {
        None => servers.push(other),
        Some(server) => {
            server.errors += other.errors;
            server.outages += other.outages;
            // A server that is down for one store is down.
            server.up = match (server.up, other.up) {
                (Some(up), Some(also)) => Some(up && also),
                (up, also) => up.or(also),
            };
        }
    }
    servers
}

impl Sum for StoreStatistics {
    fn sum<I: Iterator<Item = Self>>(statistics: I) -> Self {
        statistics.fold(Self::none(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use sluicegate::Unit;

    use super::*;

    #[test]
    fn each_statistic_is_added_to_its_own() {
        let server = |server: &str, up, n: u32| {
            let (errors, outages) = (u64::from(n), 2 * u64::from(n));
            ServerState { server: server.to_owned(), up, errors, outages }
        };
        let statistics = |n: u32| {
            let (count, held) = (|times: u64| times * u64::from(n), |times: usize| times * n as usize);
            StoreStatistics {
                up: true,
                errors: count(1),
                outages: count(2),
                servers: vec![server("one", Some(true), n)],
                decided_locally: count(3),
                allowed: count(4),
                refused: count(5),
                remembered_denials: count(6),
                takes: count(7),
                round_trips: count(8),
                lost_settlements: count(9),
                live_leases: held(10),
                live_keys: held(11),
                evictions: count(12),
                decided_by_chunks: count(13),
                chunks: count(14),
                live_chunks: held(15),
                idle_units: Units::of(&[(Unit::Tokens, count(16))]),
                expired_units: Units::of(&[(Unit::Usd, count(17))]),
            }
        };
        assert_eq!(
            [statistics(1), statistics(1), statistics(2)].into_iter().sum::<StoreStatistics>(),
            statistics(4)
        );
        let other_is_down = statistics(1) + StoreStatistics { up: false, ..statistics(3) };
        assert_eq!(other_is_down, StoreStatistics { up: false, ..statistics(4) });

        let of = |servers: &[ServerState]| StoreStatistics {
            servers: servers.to_vec(),
            ..StoreStatistics::none()
        };
        let [one, other] = [Some(true), Some(false)].map(|up| server("one", up, 1));
        let two = server("two", None, 1);
        let servers = (of(&[one.clone(), two.clone()]) + of(&[two.clone(), other])).servers;
        assert_eq!(servers, [server("one", Some(false), 2), server("two", None, 2)]);
        let [gone] = &of(&[one]).when_gone().servers[..] else { panic!("one server") };
        assert_eq!(*gone, server("one", None, 1));
    }
}
