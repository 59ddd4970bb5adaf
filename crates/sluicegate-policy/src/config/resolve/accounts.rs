//! The quotas of each tier for each limit.

use std::collections::BTreeMap;

use sluicegate::{Algorithm, Quota};

use crate::{
    Limit, StoreKind, StoreSettings, Tier, TierId, Tiers,
    config::{diagnostic::did_you_mean, file::File, report::Report},
    decide::limit::TierQuota,
};

use super::{
    limit_names::LimitNames,
    limits::{Draft, Drafts, Name, quota_at},
    store,
};

impl Drafts {
    /// Names every limit and works out what each tier gets of it.
    pub(super) fn finish(
        self,
        report: &mut Report<'_>,
        file: &File,
        tiers: &Tiers,
        store: &StoreSettings,
    ) -> Vec<Limit> {
        let names = all_names(report, &self.drafts, LimitNames::default());
        let overrides = overrides(report, file, tiers, &names, &self, store.url.kind());
        let help = |tier: &str| format!("give it a quota of its own, under `limits` in [tiers.{tier}]");
        limits(report, self.drafts, names, &overrides, tiers, store, &help)
    }
}

/// Resolves each tier's quota of each limit: the one in `overrides`, by tier and limit, or the scaled one.
/// `help` says how to give a tier its own quota.
pub(super) fn limits(
    report: &mut Report<'_>,
    drafts: Vec<Draft>,
    names: Vec<String>,
    overrides: &BTreeMap<(usize, usize), Quota>,
    tiers: &Tiers,
    store: &StoreSettings,
    help: &dyn Fn(&str) -> String,
) -> Vec<Limit> {
    let kind = store.url.kind();
    let mut limits = Vec::with_capacity(drafts.len());
    for (index, (draft, name)) in drafts.into_iter().zip(names).enumerate() {
        let kept = store::keeps(report, kind, &draft.quota, draft.quota_start);
        let scaled = draft.key.names_a_caller() && !draft.built_in;
        let tier_quotas = tiers.as_slice().iter().enumerate().map(|(tier, details)| {
            let name = if scaled && tiers.are_named() {
                // Not behind a `|`: what stands there keeps a caller's accounts together.
                format!("{name}:{}", details.name())
            } else {
                name.clone()
            };
            let quota = match overrides.get(&(tier, index)) {
                Some(quota) => *quota,
                None if scaled => {
                    let quota = scaled_quota(report, &draft, details, help);
                    if kept {
                        store::keeps(report, kind, &quota, draft.quota_start);
                    }
                    quota
                }
                None => draft.quota,
            };
            TierQuota { name, quota }
        });
        let tier_quotas = tier_quotas.collect();
        let Draft { key, mode, quota, terms, .. } = draft;
        let outage = draft.outage.unwrap_or(store.outage);
        limits.push(Limit { name, key, mode, unit: quota.unit(), outage, terms, tier_quotas });
    }
    limits
}

/// The names of all limits, beside those that are taken.
pub(super) fn all_names(report: &mut Report<'_>, drafts: &[Draft], mut taken: LimitNames) -> Vec<String> {
    for draft in drafts {
        if let Name::Given(name) = &draft.name
            && !taken.take(name)
        {
            let help = "give it another name; `-` and `_` are the same here, for the sake of headers";
            report.error_help(draft.start, format!("another limit is called `{name}`"), help);
        }
    }
    let name = |draft: &Draft| match &draft.name {
        Name::Given(name) => name.clone(),
        Name::Like(like) => taken.make(like),
    };
    drafts.iter().map(name).collect()
}

/// The quotas that tiers give for single limits, by tier and limit.
fn overrides(
    report: &mut Report<'_>,
    file: &File,
    tiers: &Tiers,
    names: &[String],
    drafts: &Drafts,
    kind: StoreKind,
) -> BTreeMap<(usize, usize), Quota> {
    let by_name: BTreeMap<&str, usize> = names
        .iter()
        .enumerate()
        .filter(|(index, _)| !drafts.drafts[*index].built_in)
        .map(|(index, name)| (name.as_str(), index))
        .collect();
    let mut overrides = BTreeMap::new();
    for (tier, table) in &file.tiers {
        for (name, text) in &table.limits {
            let Some(limit) = by_name.get(name.value.as_str()).copied() else {
                // What is wrong with a limit of the file has been said where it is written.
                if !drafts.named.contains_key(&name.value) {
                    report.error_or(name.start(), format!("no limit is called `{}`", name.value), || {
                        let named = drafts.named.keys().map(String::as_str);
                        did_you_mean(&name.value, by_name.keys().copied().chain(named))
                    });
                }
                continue;
            };
            let Some(quota) = quota_at(report, text) else { continue };
            let draft = &drafts.drafts[limit];
            if let Some(quota) = own_quota(report, kind, &name.value, draft, quota, text.start()) {
                let tier = tiers.find(&tier.value).map_or(0, TierId::index);
                overrides.insert((tier, limit), quota);
            }
        }
    }
    overrides
}

/// The quota that a tier has of its own of a limit.
pub(super) fn own_quota(
    report: &mut Report<'_>,
    kind: StoreKind,
    name: &str,
    draft: &Draft,
    quota: Quota,
    at: usize,
) -> Option<Quota> {
    if quota.unit() != draft.quota.unit() {
        let message = format!("`{name}` counts {}, not {}", draft.quota.unit(), quota.unit());
        report.error_help(at, message, "give a quota in the limit's own unit");
        return None;
    }
    match quota.with_algorithm(draft.quota.algorithm()) {
        Ok(quota) => {
            store::keeps(report, kind, &quota, at);
            Some(quota)
        }
        Err(error) => {
            report.error(at, error.to_string());
            None
        }
    }
}

fn scaled_quota(report: &mut Report<'_>, draft: &Draft, tier: &Tier, help: &dyn Fn(&str) -> String) -> Quota {
    let scale = tier.scale().millionths();
    let scaled = draft.quota.scaled(scale);
    // A quota that cannot be scaled comes back as it was.
    let wanted = u128::from(draft.quota.amount()) * u128::from(scale) / 1_000_000;
    if u128::from(scaled.amount()) != wanted.max(u128::from(draft.quota.amount().min(1))) {
        let why = match draft.quota.algorithm() {
            Algorithm::SlidingLog => "sliding-log keeps at most 128 units",
            _ => "its numbers would grow too large",
        };
        let message = format!("`{}` cannot be scaled for the tier `{}`: {why}", draft.quota, tier.name());
        report.error_help(draft.start, message, help(tier.name()));
    }
    scaled
}
