//! The accounts of one caller, for operators.

use sluicegate::{Balance, Charge, Cost, Decision, Key, OutageMode, Quota, Resilient, StoreError};

use super::Gate;
use crate::{Limit, LimitId, Scale, TierId};

/// An account that a limit of the policy keeps, or would keep, for a caller.
#[derive(Clone, Debug)]
pub struct LimitAccount {
    limit: LimitId,
    tiers: Vec<TierId>,
    charge: Charge,
}

impl LimitAccount {
    /// The limit.
    #[must_use]
    pub fn limit(&self) -> LimitId {
        self.limit
    }

    /// The tiers whose callers have this quota on this account.
    #[must_use]
    pub fn tiers(&self) -> &[TierId] {
        &self.tiers
    }

    /// The quota that applies now: less than the limit's own while the upstream warms up.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.charge.quota
    }

    /// The account's key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.charge.key
    }
}

impl<S: Resilient> Gate<S> {
    /// The accounts of a key, in the order of the policy's limits and tiers: of one limit, or of all that may have an
    /// account of this key, which need not have been charged.
    ///
    /// The key is what a log shows, with or without the name of the limit before the first `|`; `global` are the accounts
    /// that all callers share. An account is there again for each tier that has another quota on it.
    ///
    /// ```
    /// # use sluicegate::{ManualClock, MemoryStore};
    /// # use sluicegate_policy::{Gate, Policy, Source};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = "[defaults]\nlimits = [{ name = 'rpm', quota = '60/minute' }, { name = 'all', quota = '9/s', key = 'global' }]";
    /// let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
    /// let gate = Gate::new(policy, MemoryStore::new(), ManualClock::new());
    ///
    /// let accounts = gate.accounts("client_ip=192.0.2.7", None);
    /// assert_eq!(accounts.len(), 1);
    /// assert_eq!(accounts[0].key().as_str(), "rpm|client_ip=192.0.2.7");
    /// assert_eq!(gate.balances(&accounts).await?[0].remaining, 60);
    /// assert_eq!(gate.accounts("global", None)[0].key().as_str(), "all");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn accounts(&self, key: &str, limit: Option<LimitId>) -> Vec<LimitAccount> {
        let warmup = self.scale();
        let ids = (0..self.policy.limits.len()).map(LimitId);
        ids.filter(|id| limit.is_none_or(|limit| limit == *id))
            .flat_map(|id| {
                // That on wrong API keys does not warm up.
                let warmup = warmup.filter(|_| self.policy.identity.failures != Some(id));
                self.accounts_of(key, id, warmup)
            })
            .collect()
    }

    /// The balance of each account, in their order. Looking changes nothing in the store, and remembers nothing.
    ///
    /// # Errors
    ///
    /// If the store does not respond, whatever the outage mode: this instance's own accounts would mislead.
    pub async fn balances(&self, accounts: &[LimitAccount]) -> Result<Vec<Balance>, StoreError> {
        let mut balances = Vec::with_capacity(accounts.len());
        for account in accounts {
            // A stand-in's balance is not the account's.
            let looking = self.limiter.take_or(std::slice::from_ref(&account.charge), |_| OutageMode::Deny);
            let looked = match looking.await? {
                Decision::Allow(permit) => permit.balances().first().copied(),
                Decision::Deny(denial) => denial.balances.first().copied(),
            };
            balances.push(looked.ok_or_else(|| StoreError::new("the store gave no balance"))?);
        }
        Ok(balances)
    }

    /// Forgets what was spent on these accounts, in the store and in what this instance remembers of it.
    ///
    /// # Errors
    ///
    /// If the store does not respond. Then it is unknown which accounts were forgotten.
    pub async fn reset(&self, accounts: &[LimitAccount]) -> Result<(), StoreError> {
        let accounts: Vec<_> = accounts.iter().map(|account| account.charge.clone()).collect();
        self.limiter.reset(&accounts).await
    }

    fn accounts_of(&self, key: &str, id: LimitId, warmup: Option<Scale>) -> Vec<LimitAccount> {
        let limit = self.policy.limit(id);
        let mut accounts: Vec<LimitAccount> = Vec::new();
        for tier in self.policy.tiers.ids() {
            let Some(key) = key_at(limit, tier, key) else { continue };
            let quota = limit.quota(tier);
            let quota = warmup.map_or(quota, |scale| quota.scaled(scale.millionths()));
            match accounts.iter_mut().find(|known| known.charge.key == key && known.charge.quota == quota) {
                Some(known) => known.tiers.push(tier),
                None => {
                    // Costs nothing, so that it can be looked at.
                    let charge = Charge::new(key, quota).cost(Cost::ZERO);
                    accounts.push(LimitAccount { limit: id, tiers: vec![tier], charge });
                }
            }
        }
        accounts
    }
}

/// The account's key of a limit in a tier that is meant by `key`, if one is.
fn key_at(limit: &Limit, tier: TierId, key: &str) -> Option<Key> {
    let name = limit.account_name(tier);
    if limit.key_template().parts().is_empty() && (key == name || key == "global") {
        return Some(Key::from(name));
    }
    // Names of limits and tiers have no `=`, and the parts after them have one.
    let rest = match key.split_once('|') {
        Some((first, rest)) if !first.contains('=') => (first == name).then_some(rest)?,
        _ => key,
    };
    limit.key_template().can_make(rest).then(|| Key::from(format!("{name}|{rest}")))
}
