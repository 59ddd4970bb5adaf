//! Descriptors that the policy limits.

use std::net::IpAddr;

use http::request::Parts;
use sluicegate_policy::{Charging, Descriptor, Policy, RouteId};

use super::messages::{self, RateLimitRequest};
use crate::decisions::entries::Entries;

/// A descriptor for which the policy has a route.
pub(super) struct Described {
    /// Its place in the call.
    pub(super) place: usize,
    pub(super) route: RouteId,
    pub(super) head: Parts,
    pub(super) entries: Entries,
    pub(super) client: IpAddr,
    /// The number that Envoy gives or means.
    pub(super) hits: u64,
    pub(super) purpose: Purpose,
}

/// The purpose of a descriptor's hits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To be admitted.
    Admission,
    /// To be charged, because they have happened.
    Charge,
    /// To be given back.
    Refund,
}

impl Described {
    /// Describes the descriptors of a call that the policy limits. `peer` is the address of Envoy.
    pub(super) fn all(policy: &Policy, call: RateLimitRequest, peer: IpAddr) -> Vec<Self> {
        let RateLimitRequest { domain, descriptors, hits_addend } = call;
        let descriptors = descriptors.into_iter().enumerate();
        let described = descriptors.filter_map(|(place, descriptor)| {
            let messages::Descriptor { entries, hits_addend: own, is_negative_hits } = descriptor;
            let entries = Entries(entries.into_iter().map(|entry| (entry.key, entry.value)).collect());
            let route = entries.route(policy, &domain)?;
            let charging = policy.routes.get(route).descriptor().map(Descriptor::charging);
            let purpose = match charging {
                _ if is_negative_hits => Purpose::Refund,
                Some(Charging::Actual) => Purpose::Charge,
                Some(Charging::Estimate) | None => Purpose::Admission,
            };
            let hits = own.unwrap_or(u64::from(hits_addend.max(1)));
            let (head, client) = (entries.head(), entries.client(peer));
            Some(Self { place, route, head, entries, client, hits, purpose })
        });
        described.collect()
    }
}
