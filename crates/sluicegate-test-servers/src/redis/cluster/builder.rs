//! A cluster to be started.

use std::{thread, time::Duration};

use super::RedisCluster;
use crate::redis::{RedisServer, RedisServerBuilder, builder::Mode};

/// A cluster to be started: three primaries with a replica each, and a node timeout of a second, unless it is told
/// otherwise.
#[derive(Clone, Debug)]
#[must_use = "a cluster is started by `start`"]
pub struct RedisClusterBuilder {
    node: RedisServerBuilder,
    primaries: usize,
    replicas: usize,
}

impl RedisClusterBuilder {
    pub(super) fn new() -> Self {
        let mut node = RedisServer::builder();
        node.mode = Mode::ClusterNode;
        // Whatever a replica has is better than slots without an owner.
        let node = node.line("cluster-replica-validity-factor 0");
        Self { node, primaries: 3, replicas: 3 }.node_timeout(Duration::from_secs(1))
    }

    /// Has so many primaries.
    pub fn primaries(mut self, count: usize) -> Self {
        self.primaries = count;
        self
    }

    /// Has so many replicas in all, which the primaries get in turn.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// Replaces a primary that does not answer for so long. A server's own default is 15 seconds.
    pub fn node_timeout(self, timeout: Duration) -> Self {
        self.line(&format!("cluster-node-timeout {}", timeout.as_millis()))
    }

    /// Runs another program than the default: `"valkey-server"`, or an absolute path.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn program(mut self, program: &str) -> Self {
        self.node = self.node.program(program);
        self
    }

    /// Has this line in the configuration of each node, too. The last line about a setting counts.
    pub fn line(mut self, line: &str) -> Self {
        self.node = self.node.line(line);
        self
    }

    /// Has nodes that go by clocks of their own, which [`RedisServer::set_clock`] sets.
    pub fn own_clock(mut self) -> Self {
        self.node = self.node.own_clock();
        self
    }

    /// Starts the nodes and makes them a cluster, and waits until all of them find it whole and the replicas have everything.
    ///
    /// # Panics
    ///
    /// When that does not work; the message says why.
    #[must_use]
    pub fn start(self) -> RedisCluster {
        let nodes = thread::scope(|scope| {
            let start = || self.node.clone().start();
            let starting: Vec<_> = (0..self.primaries + self.replicas).map(|_| scope.spawn(start)).collect();
            starting.into_iter().map(|node| node.join().expect("a node")).collect()
        });
        let cluster = RedisCluster { nodes, primaries: self.primaries };
        cluster.join();
        cluster
    }
}
