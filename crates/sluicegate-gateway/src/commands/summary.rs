//! The meaning of a policy, for people: `sluicegate check` prints it.

use std::fmt;

use sluicegate::{Algorithm, OutageMode, Timestamp};
use sluicegate_policy::{ApiKeys, Limit, Mode, Policy, Route, Routes, Scale, StoreKind, StoreSettings};

/// A policy, written out as the gateway would use it.
pub(super) struct Summary<'p> {
    pub(super) policy: &'p Policy,
    /// The keys in the policy's file of keys, if it names one.
    pub(super) api_keys: Option<&'p ApiKeys>,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings(f)?;
        self.policy.routes.as_slice().iter().try_for_each(|route| self.route(f, route))
    }
}

impl Summary<'_> {
    fn settings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Policy { gateway, store, identity, tiers, warmup, decisions, .. } = self.policy;
        if !gateway.upstreams.is_empty() || decisions.is_none() {
            writeln!(f, "listen     {}", gateway.listen)?;
        }
        match &gateway.upstreams[..] {
            [] if decisions.is_some() => writeln!(f, "upstream   none: other proxies ask for decisions")?,
            [] => writeln!(f, "upstream   none: serving needs gateway.upstream or --upstream")?,
            [upstream] => writeln!(f, "upstream   {upstream}")?,
            upstreams => upstreams
                .iter()
                .try_for_each(|upstream| writeln!(f, "upstream   {upstream} × {}", upstream.weight()))?,
        }
        if let Some(decisions) = decisions {
            writeln!(f, "decisions  {}", decisions.listen)?;
            if let Some(resp) = decisions.resp {
                writeln!(f, "resp       {resp}")?;
            }
        }
        writeln!(f, "admin      {}", gateway.admin)?;
        match store.url.kind() {
            StoreKind::Memory => writeln!(f, "store      memory, at most {} accounts", store.max_keys)?,
            StoreKind::Redis | StoreKind::Memcached => {
                writeln!(f, "store      {}, waited for {:?} at most", store.url, store.timeout)?;
                writeln!(f, "outage     {}", in_an_outage(store.outage, store))?;
            }
        }
        if let (Some(file), Some(keys)) = (&identity.api_keys, self.api_keys) {
            let valid = keys.iter().filter(|key| key.revoked.is_none()).count();
            writeln!(f, "api keys   {}: {valid} valid of {}", file.display(), keys.iter().len())?;
        }
        if tiers.are_named() {
            f.write_str("tiers      ")?;
            for (index, tier) in tiers.as_slice().iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}{} × {}", tier.name(), factor(tier.scale()))?;
                if tiers.find(tier.name()) == Some(tiers.default_tier()) {
                    f.write_str(" (default)")?;
                }
            }
            f.write_str("\n")?;
        }
        if let Some(warmup) = warmup {
            let scale = warmup.scale(Timestamp::EPOCH).unwrap_or(Scale::WHOLE);
            writeln!(
                f,
                "warm-up    × {} until {} answers with 2xx, then every limit grows to the whole",
                factor(scale),
                warmup.path()
            )?;
        }
        Ok(())
    }

    fn route(&self, f: &mut fmt::Formatter<'_>, route: &Route) -> fmt::Result {
        f.write_str("\n")?;
        for (index, method) in route.methods().iter().enumerate() {
            write!(f, "{}{method}", if index == 0 { "" } else { "," })?;
        }
        let space = if route.methods().is_empty() { "" } else { " " };
        match route.label() {
            Routes::UNMATCHED => f.write_str("every other request")?,
            path => write!(f, "{space}{path}")?,
        }
        if let Some(tier) = route.tier() {
            write!(f, ", for {} only", self.policy.tiers.name(tier))?;
        }
        if route.weight() > 1 {
            write!(f, ", each costs {}", route.weight())?;
        }
        f.write_str("\n")?;
        if route.limits().is_empty() {
            return f.write_str("  no limits\n");
        }
        let limits = || route.limits().iter().map(|id| self.policy.limit(*id));
        let width = limits().map(|limit| limit.name().len()).max().unwrap_or_default();
        limits().try_for_each(|limit| self.limit(f, limit, width))
    }

    fn limit(&self, f: &mut fmt::Formatter<'_>, limit: &Limit, width: usize) -> fmt::Result {
        let tiers = &self.policy.tiers;
        let quota = limit.quota(tiers.default_tier());
        write!(f, "  {:width$}  {quota} ", limit.name())?;
        match limit.key_template().parts() {
            [] => f.write_str("for all together")?,
            parts => {
                for (index, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if index == 0 { "per " } else { " + " })?;
                }
            }
        }
        if !matches!(quota.algorithm(), Algorithm::TokenBucket | Algorithm::Concurrent) {
            write!(f, ", {}", quota.algorithm())?;
        }
        if limit.mode() == Mode::Shadow {
            f.write_str(", shadow: never denies")?;
        }
        let store = &self.policy.store;
        if limit.outage() != store.outage && store.url.kind() != StoreKind::Memory {
            write!(f, ", in an outage: {}", in_an_outage(limit.outage(), store))?;
        }
        for tier in tiers.as_slice() {
            let own = tiers.find(tier.name()).map(|id| limit.quota(id));
            if let Some(own) = own.filter(|own| *own != quota) {
                write!(f, "; {}: {own}", tier.name())?;
            }
        }
        f.write_str("\n")
    }
}

fn in_an_outage(outage: OutageMode, store: &StoreSettings) -> String {
    match (outage, store.replicas.get()) {
        (OutageMode::Local, 2..) => format!("local, 1/{} of the quota", store.replicas),
        (other, _) => other.to_string(),
    }
}

/// 0.2 for 200,000 millionths: the whole part, and as many digits behind the point as are not zero.
fn factor(scale: Scale) -> String {
    let millionths = scale.millionths();
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
