//! `[identity]`.

use http::HeaderName;
use sluicegate::{Quota, Unit};

use crate::{
    Identity, LimitId, Part, Tiers,
    config::{
        file::{IdentityTable, Placed},
        report::Report,
    },
};

use super::{
    limits::{Drafts, quota_at},
    path,
};

pub(super) fn resolve(
    report: &mut Report<'_>,
    table: &IdentityTable,
    tiers: &Tiers,
    drafts: &mut Drafts,
) -> Identity {
    let help = "write it as \"keys.toml\", or leave `api_keys` out";
    let api_keys = table.api_keys.as_ref().map(|given| path(report, given, help));
    let failures = failures(report, table, drafts, api_keys.is_some());
    let ipv6_prefix = match &table.ipv6_prefix {
        None => 64,
        Some(given) => match u8::try_from(given.value) {
            Ok(bits @ 32..=128) => bits,
            _ => {
                let message = format!("`ipv6_prefix` cannot be {}", given.value);
                report.error_help(given.start(), message, "give a number of bits from 32 to 128, such as 64");
                64
            }
        },
    };
    let tier_header = table.tier.as_ref().and_then(|tier| tier_header(report, tier, tiers));
    Identity { api_keys, tier_header, failures, ipv6_prefix }
}

fn failures(
    report: &mut Report<'_>,
    table: &IdentityTable,
    drafts: &mut Drafts,
    keys: bool,
) -> Option<LimitId> {
    let quota = match &table.failures {
        None => "10/minute".parse::<Quota>().ok()?,
        Some(given) => {
            let quota = quota_at(report, given)?;
            if quota.unit() != Unit::Requests {
                let message = format!("failures are counted in requests, not in {}", quota.unit());
                report.error_help(given.start(), message, "write it as \"10/minute\"");
            }
            if quota.amount() == 0 {
                let help = "give at least 1; a key that is mistyped once would shut its owner out";
                report.error_help(given.start(), "no unknown API key is allowed", help);
            }
            if !keys {
                let help = "add `api_keys`, or leave `failures` out";
                report.error_help(
                    given.start(),
                    "a limit on unknown API keys, but there are no API keys",
                    help,
                );
            }
            quota
        }
    };
    let start = table.failures.as_ref().map_or(0, Placed::start);
    keys.then(|| drafts.built_in("unknown_api_keys", quota, start))
}

fn tier_header(report: &mut Report<'_>, tier: &Placed<String>, tiers: &Tiers) -> Option<HeaderName> {
    if !tiers.are_named() {
        let help = "add [tiers.NAME] for each, or leave `tier` out";
        report.error_help(tier.start(), "the callers' tier, but there are no tiers", help);
    }
    match tier.value.parse() {
        Ok(Part::Header(name)) => Some(name),
        _ => {
            let message = format!("`{}` does not name the place of the tier", tier.value.escape_debug());
            report.error_help(tier.start(), message, "write it as \"header:x-user-tier\"");
            None
        }
    }
}
