//! The entries of a descriptor, as the gate judges them.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Method, Request, Uri, request::Parts};
use sluicegate::Cost;
use sluicegate_policy::{Descriptor, Hints, Policy, RouteId};

/// The entries of a descriptor: keys and values in Envoy's order.
#[derive(Clone, Debug)]
pub(crate) struct Entries(pub(crate) Vec<(String, String)>);

impl Entries {
    /// The route that is for them, if any is.
    pub(crate) fn route(&self, policy: &Policy, domain: &str) -> Option<RouteId> {
        policy.routes.find_descriptor(domain, &self.0)
    }

    /// A head whose headers are the entries, so that API keys are where they always are.
    pub(crate) fn head(&self) -> Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = Method::POST;
        head.uri = Uri::from_static(Descriptor::PATH);
        for (key, value) in &self.0 {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(key.as_str()), HeaderValue::try_from(value.as_str()))
            {
                // Headers that are too many are none.
                let _ = head.headers.try_append(name, value);
            }
        }
        head
    }

    /// The client's address, or else that of Envoy.
    pub(crate) fn client(&self, peer: IpAddr) -> IpAddr {
        let address = self.0.iter().find(|(key, _)| key == Descriptor::REMOTE_ADDRESS);
        address.and_then(|(_, address)| address.parse().ok()).unwrap_or(peer)
    }

    /// The facts that no head carries, for so many hits.
    pub(crate) fn hints(&self, policy: &Policy, route: RouteId, hits: u64) -> Hints<'_> {
        let tier = policy.identity.tier_header.as_ref().and_then(|header| {
            let named = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(header.as_str());
            self.0.iter().find(named).map(|(_, value)| value.as_str())
        });
        let cost = Cost::new(hits.saturating_mul(policy.routes.get(route).weight()));
        Hints { tier, key: None, cost: Some(cost), parameters: &self.0 }
    }
}
