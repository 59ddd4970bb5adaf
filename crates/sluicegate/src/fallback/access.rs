//! Access to the servers that keep a request's accounts.

use std::mem;

use smallvec::{SmallVec, smallvec};

use super::{
    breaker::{Breaker, Passage},
    breakers::Breakers,
};
use crate::{Backend, Charge, Clock, OutageMode, ServerId, StoreError};

/// The servers that keep a request's accounts, and which of them may be asked.
pub(super) struct Access<'a, C: Clock> {
    gates: SmallVec<[Gate<'a, C>; 1]>,
    /// For each charge the place of its server among the gates.
    of_charges: SmallVec<[usize; 4]>,
}

/// The way to one server.
struct Gate<'a, C: Clock> {
    server: ServerId,
    breaker: &'a Breaker<C>,
    passage: Passage<'a, C>,
}

impl<'a, C: Clock + Clone> Access<'a, C> {
    pub(super) fn of(charges: &[Charge], store: &impl Backend, breakers: &'a Breakers<C>) -> Self {
        let gate = |server| {
            let breaker = breakers.of(server);
            Gate { server, breaker, passage: breaker.passage() }
        };
        if charges.is_empty() {
            // A request without charges only asks whether the store answers.
            return Self { gates: smallvec![gate(ServerId::ONLY)], of_charges: SmallVec::new() };
        }
        let mut gates: SmallVec<[Gate<'a, C>; 1]> = SmallVec::new();
        let of_charges = charges.iter().map(|charge| {
            let server = store.server(charge);
            gates.iter().position(|gate| gate.server == server).unwrap_or_else(|| {
                gates.push(gate(server));
                gates.len() - 1
            })
        });
        let of_charges = of_charges.collect();
        Self { gates, of_charges }
    }
}

impl<C: Clock> Access<'_, C> {
    /// Returns `true` if the store may be asked for all charges.
    #[inline]
    pub(super) fn is_free(&self) -> bool {
        self.gates.iter().all(|gate| gate.passage.is_free())
    }

    /// Returns `true` if the store may be asked for none of the charges.
    pub(super) fn is_shut(&self) -> bool {
        !self.gates.iter().any(|gate| gate.passage.is_free())
    }

    /// Returns `true` if the store may be asked for the charge at this place.
    pub(super) fn reaches(&self, place: usize) -> bool {
        self.of_charges.get(place).is_none_or(|gate| self.gates[*gate].passage.is_free())
    }

    /// Fails if a server may not be asked.
    pub(super) fn shut(&self) -> Result<(), StoreError> {
        match self.gates.iter().find(|gate| !gate.passage.is_free()) {
            Some(gate) => Err(gate.breaker.error()),
            None => Ok(()),
        }
    }

    /// Returns the error of a request with an [`OutageMode::Deny`] charge out of reach, if it has one.
    pub(super) fn refusal(&self, outage: impl Fn(usize) -> OutageMode) -> Option<StoreError> {
        let denied = |place: &usize| !self.reaches(*place) && outage(*place) == OutageMode::Deny;
        let place = (0..self.of_charges.len()).find(denied)?;
        Some(self.gates[self.of_charges[place]].breaker.error())
    }

    /// Notes that the servers that were asked have answered.
    #[inline]
    pub(super) fn succeeded(&mut self) {
        for gate in self.gates.iter_mut().filter(|gate| gate.passage.is_free()) {
            match mem::replace(&mut gate.passage, Passage::Closed) {
                Passage::Probe(probe) => probe.succeeded(),
                Passage::Closed | Passage::Open => gate.breaker.succeeded(),
            }
        }
    }

    /// Notes that some of the servers that were asked have failed. They are not asked again for this request.
    pub(super) fn failed(&mut self, error: &StoreError, name: impl Fn(ServerId) -> Option<String>) {
        let asked = self.gates.iter().filter(|gate| gate.passage.is_free()).map(|gate| gate.server);
        let failed = error.among(asked.collect());
        for gate in self.gates.iter_mut().filter(|gate| failed.contains(&gate.server)) {
            match mem::replace(&mut gate.passage, Passage::Open) {
                Passage::Closed => gate.breaker.failed(error, || name(gate.server)),
                Passage::Probe(probe) => probe.failed(error),
                Passage::Open => {}
            }
        }
    }

    /// Notes that no server was asked after all.
    pub(super) fn unused(&mut self) {
        for gate in self.gates.iter_mut().filter(|gate| gate.passage.is_free()) {
            if let Passage::Probe(probe) = mem::replace(&mut gate.passage, Passage::Closed) {
                probe.unused();
            }
        }
    }
}
