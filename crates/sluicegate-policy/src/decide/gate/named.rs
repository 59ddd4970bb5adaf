//! Charges on limits that a program names.

use http::{HeaderMap, Method};
use sluicegate::{Charge, Cost, Resilient};

use super::Gate;
use crate::{LimitId, RequestAttributes, Routes, TierId};

impl<S: Resilient> Gate<S> {
    /// The charge of a caller on one of the policy's limits, for a program that takes it without an HTTP request.
    ///
    /// It is on the account that a request has which [gives](crate::Hints::key) the same key.
    ///
    /// ```
    /// # use sluicegate::{Cost, ManualClock, MemoryStore};
    /// # use sluicegate_policy::{Gate, Policy, Source};
    /// let text = "[limits.tpm]\nquota = \"60/minute\"\nkey = \"api_key\"";
    /// let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
    /// let gate = Gate::new(policy, MemoryStore::new(), ManualClock::new());
    ///
    /// let tpm = gate.policy().find_limit("tpm").expect("the policy has it");
    /// let tier = gate.policy().tiers.default_tier();
    /// let charge = gate.charge(tpm, "alice", tier, Cost::ONE);
    /// assert_eq!(charge.key.as_str(), "tpm|key=alice");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn charge(&self, limit: LimitId, key: &str, tier: TierId, cost: Cost) -> Charge {
        let attributes = RequestAttributes {
            key_hint: Some(key),
            client: "",
            api_key: None,
            tenant: None,
            tier: self.policy.tiers.name(tier),
            route: Routes::UNMATCHED,
            path: "/",
            parameters: &[],
            method: &Method::GET,
            headers: &HeaderMap::new(),
            query: None,
            body: None,
        };
        let scale = self.scale();
        self.policy.limit(limit).charge(tier, scale, cost, &attributes)
    }
}
