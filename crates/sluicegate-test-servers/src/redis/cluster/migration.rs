//! Moving slots from one primary to another, under whatever load there is.

use std::ops::RangeInclusive;

use super::RedisCluster;
use crate::{polling::until, redis::RedisServer};

impl RedisCluster {
    /// Moves slots, which all have the same owner, to the node of this number, key by key: a slot is in both nodes
    /// meanwhile, and clients meet `ASK` and `TRYAGAIN`. Keys in other databases than 0 stay.
    ///
    /// # Panics
    ///
    /// When a node refuses.
    pub fn migrate(&self, slots: RangeInclusive<u16>, to: usize) {
        let (source, target) = (self.owner(*slots.start()), &self.nodes[to]);
        let id = |node: &RedisServer| node.command(&["CLUSTER", "MYID"]);
        let (from, into, port) = (id(source), id(target), target.port().to_string());
        for slot in slots {
            let slot = slot.to_string();
            target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from]);
            source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &into]);
            loop {
                let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
                if keys.is_empty() {
                    break;
                }
                let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
                migrate.extend(keys.lines());
                source.command(&migrate);
            }
            for node in [target, source] {
                node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &into]);
            }
        }
    }

    /// Moves slots, which all have the same owner, to the node of this number in one step, as Valkey 9 does, and waits until
    /// all nodes know their new owner. Writes to the old one pause for the last of it.
    ///
    /// # Panics
    ///
    /// When the nodes are no Valkey 9, or the slots do not move.
    pub fn migrate_atomically(&self, slots: RangeInclusive<u16>, to: usize) {
        let (source, target) = (self.owner(*slots.start()), &self.nodes[to]);
        let (first, last) = (slots.start().to_string(), slots.end().to_string());
        let id = target.command(&["CLUSTER", "MYID"]);
        source.command(&["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", &first, &last, "NODE", &id]);
        until(
            "the slots have moved",
            || source.command(&["CLUSTER", "GETSLOTMIGRATIONS"]),
            || (self.owner(*slots.start()).port() == target.port()).then_some(()),
        );
    }
}
