//! A descriptor as a request that the gate can judge.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Method, Request, Uri, request::Parts};
use sluicegate::Cost;
use sluicegate_policy::{Charging, Descriptor, Hints, Policy, RouteId};

use super::messages::{self, RateLimitRequest};

/// A descriptor for which the policy has a route.
pub(super) struct Described {
    /// Its place in the call.
    pub(super) place: usize,
    pub(super) route: RouteId,
    /// A head whose headers are the entries, so that API keys are where they always are.
    pub(super) head: Parts,
    entries: Vec<(String, String)>,
    /// The address of `remote_address`, or else of Envoy.
    pub(super) client: IpAddr,
    /// The number that Envoy gives or means.
    pub(super) hits: u64,
    cost: Cost,
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
    /// Describes the descriptors of a call that the policy limits.
    pub(super) fn all(policy: &Policy, call: RateLimitRequest, peer: IpAddr) -> Vec<Self> {
        let RateLimitRequest { domain, descriptors, hits_addend } = call;
        let descriptors = descriptors.into_iter().enumerate();
        let described = descriptors.filter_map(|(place, descriptor)| {
            let messages::Descriptor { entries, hits_addend: own, is_negative_hits } = descriptor;
            let entries: Vec<_> = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
            let route = policy.routes.find_descriptor(&domain, &entries)?;
            let charging = policy.routes.get(route).descriptor().map(Descriptor::charging);
            let purpose = match charging {
                _ if is_negative_hits => Purpose::Refund,
                Some(Charging::Actual) => Purpose::Charge,
                Some(Charging::Estimate) | None => Purpose::Admission,
            };
            let hits = own.unwrap_or(u64::from(hits_addend.max(1)));
            let client = entries.iter().find(|(key, _)| key == Descriptor::REMOTE_ADDRESS);
            Some(Self {
                place,
                route,
                head: head(&entries),
                client: client.and_then(|(_, address)| address.parse().ok()).unwrap_or(peer),
                hits,
                cost: Cost::new(hits.saturating_mul(policy.routes.get(route).weight())),
                entries,
                purpose,
            })
        });
        described.collect()
    }

    /// The facts that no head carries.
    pub(super) fn hints(&self, policy: &Policy) -> Hints<'_> {
        let tier = policy.identity.tier_header.as_ref().and_then(|header| {
            let named = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(header.as_str());
            self.entries.iter().find(named).map(|(_, value)| value.as_str())
        });
        Hints { tier, key: None, cost: Some(self.cost), parameters: &self.entries }
    }
}

fn head(entries: &[(String, String)]) -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::POST;
    head.uri = Uri::from_static(Descriptor::PATH);
    for (key, value) in entries {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(key.as_str()), HeaderValue::try_from(value.as_str()))
        {
            // Headers that are too many are none.
            let _ = head.headers.try_append(name, value);
        }
    }
    head
}
