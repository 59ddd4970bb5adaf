//! `[tiers.NAME]` and the tier of callers that bring none.

use crate::{
    Scale, Tier, Tiers,
    config::{
        diagnostic::did_you_mean,
        file::{File, TierTable},
        report::Report,
    },
};

/// The most tiers: the quotas of every limit are worked out for each.
pub(super) const MOST: usize = 32;

pub(super) fn resolve(report: &mut Report<'_>, file: &File) -> Tiers {
    let default = file.identity.default_tier.as_ref();
    if file.tiers.is_empty() {
        if let Some(default) = default {
            let help = format!("add [tiers.{}], or leave `default_tier` out", default.value);
            report.error_help(default.start(), "a default tier, but there are no tiers", help);
        }
        return Tiers::none();
    }
    if let Some((name, _)) = file.tiers.get(MOST) {
        report.error(name.start(), format!("more than {MOST} tiers"));
        return Tiers::none();
    }
    let mut tiers = Vec::with_capacity(file.tiers.len());
    for (name, table) in &file.tiers {
        if !is_name(&name.value) {
            let message = format!("`{}` is not a valid name of a tier", name.value.escape_debug());
            report.error_help(name.start(), message, NAME);
        }
        tiers.push(Tier::new(name.value.clone(), scale(report, table)));
    }
    let names = || file.tiers.iter().map(|(name, _)| name.value.as_str());
    let default = match (default, file.tiers.as_slice()) {
        (Some(default), _) => {
            if !names().any(|name| name == default.value) {
                report.error_or(default.start(), format!("no tier is called `{}`", default.value), || {
                    did_you_mean(&default.value, names())
                });
            }
            default.value.as_str()
        }
        (None, [(only, _)]) => only.value.as_str(),
        (None, _) => {
            let all: Vec<_> = names().map(|name| format!("\"{name}\"")).collect();
            let help = format!("add to [identity]: default_tier = one of {}", all.join(", "));
            report.file_error("no tier is set for callers that bring none", &help);
            ""
        }
    };
    // Where the default is unknown an error has been reported, and the policy is not used: any tier will do.
    let default = if names().any(|name| name == default) { default } else { file.tiers[0].0.value.as_str() };
    Tiers::new(tiers, default).unwrap_or_else(Tiers::none)
}

fn scale(report: &mut Report<'_>, table: &TierTable) -> Scale {
    let Some(given) = &table.scale else { return Scale::WHOLE };
    Scale::of(given.value.0).unwrap_or_else(|| {
        let message = format!("a tier cannot scale limits by {}", given.value.0);
        report.error_help(given.start(), message, "give a number above 0 and at most 1000000, such as 5");
        Scale::WHOLE
    })
}

/// The names of tiers and limits stand in headers, logs and metrics, and must fit into all of them.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

pub(super) const NAME: &str = "use 1 to 64 letters, digits, `_` and `-`";
