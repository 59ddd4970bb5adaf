//! Warnings about `[identity]`, `[tiers.NAME]` and keys.

use crate::{
    Policy,
    config::{
        file::{File, LimitEntry, OneOrMany, Placed},
        report::Report,
    },
};

pub(super) fn lint(report: &mut Report<'_>, file: &File, policy: &Policy) {
    if let Some(tier) = file.identity.tier.as_ref().filter(|_| policy.gateway.trusted_proxies.is_empty()) {
        let help = "name the proxies that set it: trusted_proxies = [\"10.0.0.0/8\"] under [gateway]";
        report.error_help(tier.start(), "every caller can send this header, and so choose a tier", help);
    }
    let gives_tiers = policy.identity.api_keys.is_some() || policy.identity.tier_header.is_some();
    let default = policy.tiers.name(policy.tiers.default_tier());
    for (name, _) in file.tiers.iter().filter(|(name, _)| !gives_tiers && name.value != default) {
        let message = format!("no caller can have the tier `{}`", name.value);
        report.error_help(name.start(), message, "set `api_keys` or `tier` under [identity]");
    }
    for key in keys(file) {
        for part in key.entries() {
            key_part(report, &part, policy);
        }
    }
}

fn key_part(report: &mut Report<'_>, part: &Placed<String>, policy: &Policy) {
    let word = part.value.trim();
    match word {
        "api_key" | "tenant" if policy.identity.api_keys.is_none() => {
            let message = format!("there are no API keys, so `{word}` is the client's address");
            let help = "set `api_keys` under [identity], or write \"client_ip\"";
            report.error_help(part.start(), message, help);
        }
        "tier" if !policy.tiers.are_named() => {
            let help = "add [tiers.NAME], or write \"global\" for one account of all callers";
            report.error_help(
                part.start(),
                "there are no tiers, so `tier` is the same for all callers",
                help,
            );
        }
        _ => {}
    }
}

/// The keys of the file, wherever one is written.
fn keys(file: &File) -> impl Iterator<Item = &Placed<OneOrMany<String>>> {
    let lists = file.route.iter().filter_map(|route| route.limits.as_ref()).chain(&file.defaults.limits);
    let entries = lists.flat_map(|list| match &list.value {
        OneOrMany::One(entry) => vec![entry],
        OneOrMany::Many(entries) => entries.iter().map(|entry| &entry.value).collect(),
    });
    let of_entries = entries.filter_map(|entry| match entry {
        LimitEntry::Table(table) => table.key.as_ref(),
        LimitEntry::Text(_) => None,
    });
    let of_limits = file.limits.iter().filter_map(|(_, table)| table.key.as_ref());
    file.defaults.key.iter().chain(of_limits).chain(of_entries)
}
