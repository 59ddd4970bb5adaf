//! Metrics of stores, which are asked when the metrics are written.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use sluicegate::{OutageMode, ServerState, Unit};
use sluicegate_stores::StoreStatistics;

/// The stores of a process. All series exist from the start, whichever stores there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stores(Arc<Mutex<Watched>>);

#[derive(Debug)]
struct Watched {
    stores: Vec<Store>,
    /// The counters of stores that are gone.
    gone: StoreStatistics,
}

struct Store {
    ask: Ask,
    last: StoreStatistics,
}

/// Gives a store's statistics, and none when it is gone.
pub(crate) type Ask = Box<dyn Fn() -> Option<StoreStatistics> + Send + Sync>;

impl Stores {
    pub(crate) fn watch(&self, ask: Ask) {
        let mut watched = self.lock();
        // A program that opens stores and never reads the metrics keeps nothing of those that are gone.
        if watched.stores.len() == watched.stores.capacity() {
            watched.ask();
        }
        watched.stores.push(Store { ask, last: StoreStatistics::none() });
    }

    pub(crate) fn silent_servers(&self) -> Vec<String> {
        let silent = self.statistics().servers.into_iter().filter(|server| server.up == Some(false));
        silent.map(|server| server.server).collect()
    }

    pub(crate) fn statistics(&self) -> StoreStatistics {
        let mut watched = self.lock();
        watched.ask();
        let gone = watched.gone.clone();
        watched.stores.iter().map(|store| store.last.clone()).chain([gone]).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        // A store that panicked when it was asked is asked again; nothing else can have gone wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Asks every store, and lets go of those that are gone.
    fn ask(&mut self) {
        self.stores.retain_mut(|store| match (store.ask)() {
            Some(statistics) => {
                store.last = statistics;
                true
            }
            None => {
                self.gone = mem::take(&mut self.gone) + mem::take(&mut store.last).when_gone();
                false
            }
        });
    }
}

impl Default for Watched {
    fn default() -> Self {
        Self { stores: Vec::new(), gone: StoreStatistics::none() }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Collector for Stores {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let statistics = self.statistics();
        for (name, value, help) in [
            ("store_up", usize::from(statistics.up), "Whether the store answers, as far as is known: 1 or 0"),
            ("live_keys", statistics.live_keys, "Accounts in this process's memory"),
            (
                "live_leases",
                statistics.live_leases,
                "Requests that hold slots of concurrent limits in a store elsewhere",
            ),
            ("live_chunks", statistics.live_chunks, "Chunks of quotas that this process holds"),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, value, help) in [
            ("store_takes", statistics.takes, "Takes that a store elsewhere was asked for"),
            ("store_round_trips", statistics.round_trips, "Calls of a store elsewhere: requests share them"),
            ("store_errors", statistics.errors, "Calls of the store that failed, by a late answer or none"),
            ("store_outages", statistics.outages, "How often the store stopped answering"),
            (
                "remembered_denials",
                statistics.remembered_denials,
                "Denials by a store elsewhere that were answered from memory, because an earlier one still held",
            ),
            (
                "lost_settlements",
                statistics.lost_settlements,
                "Settlements that did not reach the store in time: the estimates stay charged",
            ),
            ("chunks", statistics.chunks, "Chunks of quotas taken from a store elsewhere"),
            (
                "chunk_decisions",
                statistics.decided_by_chunks,
                "Requests that chunks of quotas paid, without a call of the store",
            ),
            (
                "evictions",
                statistics.evictions,
                "Accounts forgotten for want of room before they had earned back what they spent",
            ),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let help = "Requests decided without the store, because it was unavailable";
        let mut family = encoder.encode_descriptor("outage_decisions", help, None, MetricType::Counter)?;
        for (outage, value) in [
            (OutageMode::Allow, statistics.allowed),
            (OutageMode::Deny, statistics.refused),
            (OutageMode::Local, statistics.decided_locally),
        ] {
            let labels = [("outage", outage.as_str())];
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        encode_units(&mut encoder, &statistics)?;
        encode_servers(&mut encoder, &statistics.servers)
    }
}

/// Encodes the units that lie unspent in chunks of quotas, or did to their end.
fn encode_units(encoder: &mut DescriptorEncoder<'_>, statistics: &StoreStatistics) -> Result<(), fmt::Error> {
    let counted = |unit: &Unit| *unit != Unit::Concurrent;
    let help = "Units of quotas that lie unspent in the chunks that this process holds; usd in nano-dollars";
    let mut family = encoder.encode_descriptor("chunk_idle_units", help, None, MetricType::Gauge)?;
    for (unit, amount) in statistics.idle_units.iter().filter(|(unit, _)| counted(unit)) {
        let gauge = ConstGauge::new(i64::try_from(amount).unwrap_or(i64::MAX));
        gauge.encode(family.encode_family(&[("unit", unit.as_str())])?)?;
    }
    let help = "Units of quotas whose chunks ended unspent: they stay charged; usd in nano-dollars";
    let mut family = encoder.encode_descriptor("chunk_expired_units", help, None, MetricType::Counter)?;
    for (unit, amount) in statistics.expired_units.iter().filter(|(unit, _)| counted(unit)) {
        ConstCounter::new(amount).encode(family.encode_family(&[("unit", unit.as_str())])?)?;
    }
    Ok(())
}

/// Encodes the metrics of each server of a store elsewhere.
fn encode_servers(encoder: &mut DescriptorEncoder<'_>, servers: &[ServerState]) -> Result<(), fmt::Error> {
    let help = "1 if a server of a remote store responds, as far as is known, otherwise 0";
    let mut family = encoder.encode_descriptor("store_server_up", help, None, MetricType::Gauge)?;
    for ServerState { server, up, .. } in servers {
        if let Some(up) = up {
            let labels = [("server", server.as_str())];
            ConstGauge::new(i64::from(*up)).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "Calls of a server of the store that failed, with a late response or none";
    let mut family = encoder.encode_descriptor("store_server_errors", help, None, MetricType::Counter)?;
    for ServerState { server, errors, .. } in servers {
        ConstCounter::new(*errors).encode(family.encode_family(&[("server", server.as_str())])?)?;
    }
    let help = "Times that a server of the store stopped responding";
    let mut family = encoder.encode_descriptor("store_server_outages", help, None, MetricType::Counter)?;
    for ServerState { server, outages, .. } in servers {
        ConstCounter::new(*outages).encode(family.encode_family(&[("server", server.as_str())])?)?;
    }
    Ok(())
}
