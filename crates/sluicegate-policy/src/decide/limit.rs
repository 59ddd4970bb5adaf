//! A quota with a name, on a key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicegate::{Charge, Cost, OutageMode, Quota, Unit};

use crate::{KeyTemplate, RequestAttributes, Scale, Terms, TierId};

/// A quota with a name, on a key: `predict: 10/minute per client_ip`.
///
/// What each tier's callers get is worked out when the policy is read; a request only looks it up.
#[derive(Clone, Debug)]
pub struct Limit {
    pub(crate) name: String,
    pub(crate) key: KeyTemplate,
    pub(crate) mode: Mode,
    pub(crate) unit: Unit,
    pub(crate) outage: OutageMode,
    pub(crate) terms: Terms,
    /// One for each tier, by its id.
    pub(crate) tier_quotas: Vec<TierQuota>,
}

/// The quota of a limit for one tier's callers, and where it is charged.
#[derive(Clone, Debug)]
pub(crate) struct TierQuota {
    /// The prefix of its accounts' keys: the limit's name, and the tier's if tiers keep separate accounts.
    pub(crate) name: String,
    pub(crate) quota: Quota,
}

/// A limit of a policy, by its place in [`Policy::limits`](crate::Policy::limits).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LimitId(pub(crate) usize);

/// The enforcement of a limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It denies.
    #[default]
    Enforce,
    /// It only records what it would deny, on an account of its own.
    Shadow,
}

impl Limit {
    /// The name in headers, logs and metrics, unique in its policy.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Owner of the account.
    #[must_use]
    pub fn key_template(&self) -> &KeyTemplate {
        &self.key
    }

    /// Its enforcement.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The counted unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Mode of the limit while the store is down.
    #[must_use]
    pub fn outage(&self) -> OutageMode {
        self.outage
    }

    /// The terms of a limit that counts tokens.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The quota of a tier's callers when the upstream is warm.
    #[inline]
    #[must_use]
    pub fn quota(&self, tier: TierId) -> Quota {
        self.tier_quota(tier).quota
    }

    /// The line of this limit on a request's bill.
    ///
    /// `warmup` is the scale of every limit while the upstream warms up, `cost` what the [route](crate::Route::cost)
    /// says for this limit's unit.
    #[must_use]
    pub fn charge(
        &self,
        tier: TierId,
        warmup: Option<Scale>,
        cost: Cost,
        attributes: &RequestAttributes<'_>,
    ) -> Charge {
        let tier_quota = self.tier_quota(tier);
        let (quota, cost) = match warmup {
            None => (tier_quota.quota, cost),
            Some(scale) => {
                let quota = tier_quota.quota.scaled(scale.millionths());
                // What the whole limit holds must not be told that it can never pass: while the limit is smaller, it
                // takes all there is of it.
                let fits = tier_quota.quota.can_hold(cost);
                (quota, if fits { cost.min(Cost::new(quota.burst_size())) } else { cost })
            }
        };
        Charge::new(self.key.key(&tier_quota.name, attributes), quota).cost(cost)
    }

    /// The prefix of a tier's account keys.
    pub(crate) fn account_name(&self, tier: TierId) -> &str {
        &self.tier_quota(tier).name
    }

    /// Returns `true` if it counts requests, and callers of some tier could never make one of this weight. A quota of 0 says
    /// that they shall not.
    pub(crate) fn never_admits(&self, weight: u64) -> bool {
        let mut quotas = self.tier_quotas.iter().map(|tier_quota| tier_quota.quota);
        self.unit == Unit::Requests && quotas.any(|quota| (1..weight).contains(&quota.burst_size()))
    }

    fn tier_quota(&self, tier: TierId) -> &TierQuota {
        // A limit has a quota for each tier of its policy, and at least one. A tier of another policy gets the first
        // tier's, which is wrong but fails no request.
        self.tier_quotas.get(tier.index()).unwrap_or(&self.tier_quotas[0])
    }
}

impl LimitId {
    /// The place in [`Policy::limits`](crate::Policy::limits).
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}
