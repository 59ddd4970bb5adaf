//! The servers, and which slots each of them owns.

use std::sync::{
    PoisonError, RwLock, RwLockReadGuard,
    atomic::{AtomicU32, Ordering},
};

use sluicegate::ServerId;

use crate::key_names::SLOTS;

/// The servers by their numbers, and the owner of each slot, as far as is known now. The driver keeps it up to date,
/// and the store reads it.
///
/// A store that is no cluster has one slot and one server. In a cluster, the first number stands for the cluster
/// itself: it owns the slots whose owner is not known yet. A node gets a number when it is first heard of, and keeps it.
pub(crate) struct SlotMap {
    /// By slot, the number of its owner.
    owners: Box<[AtomicU32]>,
    /// By number, the address.
    addresses: RwLock<Vec<String>>,
}

/// The number of a server; it says where its [link](crate::link_pool::LinkPool) is.
pub(crate) type Number = usize;

/// A cluster itself, or the only server there is.
pub(crate) const FIRST: Number = 0;

impl SlotMap {
    pub(crate) fn new(address: String, cluster: bool) -> Self {
        let slots = if cluster { usize::from(SLOTS) } else { 1 };
        let owners = (0..slots).map(|_| AtomicU32::new(0)).collect();
        Self { owners, addresses: RwLock::new(vec![address]) }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.owners.len() > 1
    }

    /// The number of a slot's owner.
    pub(crate) fn owner(&self, slot: u16) -> Number {
        // There is an entry for every slot that names know of.
        let owner = self.owners.get(usize::from(slot)).map_or(0, |owner| owner.load(Ordering::Relaxed));
        usize::try_from(owner).unwrap_or(FIRST)
    }

    /// The server that owns a slot.
    pub(crate) fn server(&self, slot: u16) -> ServerId {
        id(self.owner(slot))
    }

    /// Makes a server the owner of a slot.
    pub(crate) fn assign(&self, slot: u16, owner: Number) {
        if let (Some(slot), Ok(owner)) = (self.owners.get(usize::from(slot)), u32::try_from(owner)) {
            slot.store(owner, Ordering::Relaxed);
        }
    }

    /// The number of the server at this address, which gets one if it has none.
    pub(crate) fn number(&self, address: &str) -> Number {
        // The first is no node's.
        let known = |addresses: &[String]| addresses.iter().skip(1).position(|known| known == address);
        if let Some(place) = known(&self.addresses()) {
            return place + 1;
        }
        let mut addresses = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        addresses.push(address.to_owned());
        addresses.len() - 1
    }

    /// The address by which people know a server.
    pub(crate) fn address(&self, server: Number) -> String {
        self.addresses().get(server).cloned().unwrap_or_default()
    }

    /// The only server is there now.
    pub(crate) fn moved(&self, address: String) {
        let mut addresses = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = addresses.first_mut() {
            *known = address;
        }
    }

    /// The numbers of all servers that own a slot.
    pub(crate) fn owners(&self) -> Vec<Number> {
        let mut owns = vec![false; self.addresses().len()];
        for owner in &self.owners {
            let owner = usize::try_from(owner.load(Ordering::Relaxed)).unwrap_or(FIRST);
            if let Some(owns) = owns.get_mut(owner) {
                *owns = true;
            }
        }
        (FIRST..owns.len()).filter(|number| owns[*number]).collect()
    }

    /// All servers that own a slot, and their addresses.
    pub(crate) fn servers(&self) -> Vec<(ServerId, String)> {
        let mut owners = self.owners();
        if owners.len() > 1 {
            // Slots without a known owner do not make the cluster one of its own servers.
            owners.retain(|number| *number != FIRST);
        }
        owners.into_iter().map(|number| (id(number), self.address(number))).collect()
    }

    fn addresses(&self) -> RwLockReadGuard<'_, Vec<String>> {
        // Nothing panics while it is locked.
        self.addresses.read().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn id(server: Number) -> ServerId {
    // There never are so many.
    ServerId::new(u32::try_from(server).unwrap_or(u32::MAX))
}
