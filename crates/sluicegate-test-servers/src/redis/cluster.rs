//! A Redis Cluster.

mod builder;
mod migration;

pub use builder::RedisClusterBuilder;

use std::ops::RangeInclusive;

use super::RedisServer;
use crate::polling::until;

/// A cluster, of three primaries and a replica of each unless its builder says otherwise, until it is dropped.
///
/// ```
/// use sluicegate_test_servers::RedisCluster;
///
/// let cluster = RedisCluster::start();
/// let slot = cluster.slot("{tenant}:requests");
/// cluster.owner(slot).kill();
/// // Its replica takes its place.
/// assert_eq!(cluster.owner(slot).command(&["INCR", "{tenant}:requests"]), "1");
/// ```
#[derive(Debug)]
pub struct RedisCluster {
    /// First the primaries.
    nodes: Vec<RedisServer>,
    primaries: usize,
}

impl RedisCluster {
    /// Starts three primaries and three replicas, and waits until all of them find the cluster whole and the replicas have
    /// everything. A node that does not answer for a second is replaced.
    ///
    /// # Panics
    ///
    /// When that does not work; the message says why.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A cluster of another size, of another program, or one that waits longer.
    ///
    /// # Panics
    ///
    /// When the server is not installed.
    pub fn builder() -> RedisClusterBuilder {
        RedisClusterBuilder::new()
    }

    /// The URL, with the nodes that were primaries at first.
    pub fn url(&self) -> String {
        let nodes: Vec<_> =
            self.nodes[..self.primaries].iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// All its nodes: first those that were primaries at first, then their replicas in the same order.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The slot of a key.
    ///
    /// # Panics
    ///
    /// When no node is up.
    pub fn slot(&self, key: &str) -> u16 {
        let slot = self.up().next().expect("a node that is up").command(&["CLUSTER", "KEYSLOT", key]);
        slot.parse().expect("a slot's number")
    }

    /// The primary that a slot belongs to. While it is down, this waits until another has taken its place and all know
    /// that.
    ///
    /// # Panics
    ///
    /// When the nodes do not agree on one that is up.
    pub fn owner(&self, slot: u16) -> &RedisServer {
        until(
            &format!("slot {slot} has an owner that is up"),
            || self.views(),
            || {
                let mut owners = self.up().map(|node| owner(&node.command(&["CLUSTER", "NODES"]), slot));
                let first = owners.next()??;
                let agreed = owners.all(|owner| owner == Some(first));
                self.up().find(|node| agreed && node.port() == first)
            },
        )
    }

    /// Waits until all nodes that are up find the cluster whole.
    ///
    /// # Panics
    ///
    /// When they do not.
    pub fn until_whole(&self) {
        until(
            "the cluster is whole",
            || self.views(),
            || {
                let mut states = self.up().map(|node| node.command(&["CLUSTER", "INFO"]));
                states.all(|state| state.contains("cluster_state:ok")).then_some(())
            },
        );
    }

    fn join(&self) {
        let (primaries, replicas) = self.nodes.split_at(self.primaries);
        for (index, node) in primaries.iter().enumerate() {
            let slots = slots(index, self.primaries);
            let (first, last) = (slots.start().to_string(), slots.end().to_string());
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
        }
        for (index, node) in self.nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            // Told, and not left to gossip, which takes seconds.
            for other in &self.nodes[..index] {
                let bus = other.command(&["CONFIG", "GET", "cluster-port"]);
                let bus = bus.lines().last().expect("a port");
                node.command(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), bus]);
            }
        }
        for (primary, replica) in primaries.iter().cycle().zip(replicas) {
            let id = primary.command(&["CLUSTER", "MYID"]);
            // Refused until it has met its primary.
            until(
                "a replica knows its primary",
                || self.views(),
                || replica.try_command(&["CLUSTER", "REPLICATE", &id]).ok(),
            );
        }
        self.until_whole();
        for (primary, replica) in primaries.iter().cycle().zip(replicas) {
            replica.catch_up_with(primary);
        }
        until(
            "all nodes know all replicas",
            || self.views(),
            || {
                let mut views = self.nodes.iter().map(|node| node.command(&["CLUSTER", "NODES"]));
                views.all(|view| view.matches("slave ").count() == replicas.len()).then_some(())
            },
        );
    }

    fn up(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_up())
    }

    fn views(&self) -> String {
        self.up().map(|node| node.command(&["CLUSTER", "NODES"])).collect::<Vec<_>>().join("\n")
    }
}

/// The slots of each primary at first.
fn slots(primary: usize, primaries: usize) -> RangeInclusive<usize> {
    primary * SLOTS / primaries..=(primary + 1) * SLOTS / primaries - 1
}

/// The port of a slot's owner, of whom nobody thinks that it has failed, as the answer to `CLUSTER NODES` tells it:
/// `ID HOST:PORT@BUS FLAGS PRIMARY PING PONG EPOCH LINK SLOTS…`, a line for each node.
fn owner(nodes: &str, slot: u16) -> Option<u16> {
    let words = nodes.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut owners = words.filter(|words| {
        let slots = words.iter().skip(8).map(|slots| slots.split_once('-').unwrap_or((slots, slots)));
        let mut ranges = slots.filter_map(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
        words[2].contains("master") && !words[2].contains("fail") && ranges.any(|range| range.contains(&slot))
    });
    let address = owners.next()?[1];
    address.split_once(':')?.1.split_once('@')?.0.parse().ok()
}

const SLOTS: usize = 16_384;
