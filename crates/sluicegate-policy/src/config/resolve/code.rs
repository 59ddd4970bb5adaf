//! A route that is written in a program.

use std::collections::{BTreeMap, BTreeSet};

use sluicegate::{Quota, Unit};

use crate::{
    CodeMeter, CodeRoute, CodeRouteError, Diagnostics, Forwarding, Identity, Limit, LimitId, Meter, Part,
    Policy, Route, Routes, Scale, Source, Tier, TierId, TierShare, Tiers, Timeouts, TokenMeter,
    config::{diagnostic::did_you_mean, report::Report},
    decide::route::Costs,
};

use super::{
    accounts::{self, own_quota},
    limit_names::{self, LimitNames},
    limits::{Draft, Name},
    routes::{MOST_LIMITS, never_passes},
    tiers::{MOST as MOST_TIERS, NAME, is_name},
};

pub(crate) fn with_route(policy: &Policy, route: CodeRoute) -> Result<Policy, CodeRouteError> {
    // A program has no places that could be named: all errors are at the start of nothing.
    let source = Source::empty();
    let mut report = Report::new(&source);
    let built = build(&mut report, policy, route);
    Ok(report.finish(built)?)
}

fn build(report: &mut Report<'_>, policy: &Policy, code: CodeRoute) -> Option<Policy> {
    check(report, &code);
    let tiers = if code.tiers.is_empty() { policy.tiers.clone() } else { tiers(report, &code.tiers)? };
    let tier = match &code.tier {
        Some(needed) => Some(required_tier(report, needed, &tiers)?),
        None => None,
    };
    let failures = policy.identity.failures.map(|id| policy.limit(id));
    let drafts = drafts(&code);
    let names = accounts::all_names(report, &drafts, taken(policy, failures, &code));
    let overrides = overrides(report, policy, &code, &drafts, &names);
    let help = |tier: &str| format!("give the tier `{tier}` a quota of its own");
    let mut limits = accounts::limits(report, drafts, names, &overrides, &tiers, &policy.store, &help);

    let other_units = code.quotas.iter().any(|quota| !counts_requests(quota) && !counts_slots(quota));
    let costs = match code.meter {
        CodeMeter::None => Costs::Weight,
        CodeMeter::Tokens(_) => Costs::ByUnit,
        CodeMeter::Items(_) | CodeMeter::Given => Costs::OneNumber { requests: !other_units },
    };
    if !costs.are_metered(Unit::Requests, None) {
        for limit in limits.iter().filter(|limit| limit.never_admits(code.weight)) {
            never_passes(report, 0, limit, code.weight);
        }
    }
    let route = Route {
        template: None,
        descriptor: None,
        tier,
        meter: meter(&code),
        weight: code.weight,
        costs,
        limits: (0..limits.len()).map(LimitId).collect(),
        needs_parameters: false,
        timeouts: Timeouts::default(),
        forwarding: Forwarding::default(),
        label: code.label,
        methods: code.methods,
    };
    // Last, so that the route's limits have the ids of their places in the route.
    let failures = failures.map(|failures| {
        limits.push(Limit {
            tier_quotas: vec![failures.tier_quotas[0].clone(); tiers.as_slice().len()],
            ..failures.clone()
        });
        LimitId(limits.len() - 1)
    });
    Some(Policy {
        identity: Identity { failures, ..policy.identity.clone() },
        tiers,
        limits,
        // Without a template nothing can collide.
        routes: Routes::build(vec![route]).ok()?,
        gateway: policy.gateway.clone(),
        store: policy.store.clone(),
        warmup: policy.warmup.clone(),
        responses: policy.responses.clone(),
        // The app's own middleware shares its answers, and ours within them.
        cors: None,
        // They are the gateway's.
        decision_log: None,
        telemetry: None,
        decisions: None,
        warnings: Diagnostics::default(),
    })
}

/// Checks the route by itself.
fn check(report: &mut Report<'_>, code: &CodeRoute) {
    if code.quotas.is_empty() {
        report.error_help(0, "a limit of no quota", "give one, such as \"10/minute\"");
    }
    if code.quotas.len() > MOST_LIMITS {
        report.error(0, format!("more than {MOST_LIMITS} limits of one route"));
    }
    for name in code.names.iter().filter(|name| !is_name(name)) {
        report.error_help(0, format!("`{}` is not a valid name of a limit", name.escape_debug()), NAME);
    }
    if code.weight == 0 {
        report.error_help(0, "a weight cannot be 0", "give a whole number of requests, at least 1");
    }
    if let Some(quota) = code.quotas.iter().find(|quota| !is_metered(&code.meter, quota)) {
        let help = match code.meter {
            CodeMeter::Tokens(_) => "limit them by a route of their own",
            CodeMeter::None | CodeMeter::Items(_) | CodeMeter::Given => {
                "give the cost: its place in the body, or the way to find it"
            }
        };
        report.error_help(0, format!("nothing counts the {} of `{quota}`", quota.unit()), help);
    }
    if let Some(most) = code.most_items {
        most_items(report, code, most.get());
    }
}

fn most_items(report: &mut Report<'_>, code: &CodeRoute, most: u64) {
    let mut others = code.quotas.iter().map(Quota::unit);
    if !matches!(code.meter, CodeMeter::Items(_)) {
        let help = "give the place of the items in the body";
        report.error_help(
            0,
            format!("at most {most} items, and nothing counts the items of a request"),
            help,
        );
    } else if let Some(unit) = others.find(|unit| !counts_items(*unit)) {
        let help = "limit the items by a route of their own";
        report.error_help(0, format!("at most {most} items, and the cost counts {unit}"), help);
    }
}

fn tiers(report: &mut Report<'_>, given: &[(String, TierShare)]) -> Option<Tiers> {
    if given.len() > MOST_TIERS {
        report.error(0, format!("more than {MOST_TIERS} tiers"));
    }
    let mut names = BTreeSet::new();
    let mut tiers = Vec::with_capacity(given.len());
    for (name, share) in given {
        if !is_name(name) {
            report.error_help(0, format!("`{}` is not a valid name of a tier", name.escape_debug()), NAME);
        }
        if !names.insert(name) {
            report.error(0, format!("the tier `{name}` appears twice"));
        }
        let scale = match share {
            TierShare::Quotas(_) => Scale::WHOLE,
            TierShare::Scale(factor) => Scale::of(*factor).unwrap_or_else(|| {
                let help = "give a number above 0 and at most 1000000, such as 5";
                report.error_help(0, format!("a tier cannot scale limits by {factor}"), help);
                Scale::WHOLE
            }),
        };
        tiers.push(Tier::new(name.clone(), scale));
    }
    Tiers::new(tiers, &given.first()?.0)
}

fn required_tier(report: &mut Report<'_>, needed: &str, tiers: &Tiers) -> Option<TierId> {
    let found = tiers.find(needed).filter(|_| tiers.are_named());
    if found.is_none() {
        report.error_or(0, format!("no tier is called `{}`", needed.escape_debug()), || {
            let names = || tiers.as_slice().iter().map(Tier::name);
            Some(if tiers.are_named() {
                did_you_mean(needed, names())
                    .unwrap_or_else(|| format!("the tiers are {}", names().collect::<Vec<_>>().join(", ")))
            } else {
                format!("there are none: add [tiers.{needed}] to the policy, or give the route tiers")
            })
        });
    }
    found
}

/// The limits, of which the first have the names that were given.
fn drafts(code: &CodeRoute) -> Vec<Draft> {
    let methods = code.methods.iter().map(|method| method.as_str().to_lowercase());
    let owner = methods.chain([code.label.clone()]).collect::<Vec<_>>().join(" ");
    let name = |index, quota: &Quota| match code.names.get(index).or(code.names.first()) {
        Some(name) if index < code.names.len() => Name::Given(name.clone()),
        Some(name) => Name::Like(name.clone()),
        None if code.varies => Name::Like(limit_names::varying(&owner)),
        None => Name::Like(limit_names::inline(&owner, quota)),
    };
    let draft = |(index, quota): (usize, &Quota)| Draft {
        mode: code.mode,
        outage: code.outage,
        ..Draft::new(name(index, quota), *quota, code.key.clone(), 0)
    };
    code.quotas.iter().enumerate().map(draft).collect()
}

/// The names that the route's limits cannot have. A name that is given may be that of a limit of the file: they are one
/// account then. One that is made must not, or a request that meets both would be charged twice on one account.
fn taken(policy: &Policy, failures: Option<&Limit>, code: &CodeRoute) -> LimitNames {
    let mut names = LimitNames::default();
    let all = policy.limits.iter().filter(|_| code.names.is_empty());
    for limit in all.chain(failures) {
        names.take(limit.name());
    }
    names
}

/// The quotas of tiers that have their own, by tier and limit.
fn overrides(
    report: &mut Report<'_>,
    policy: &Policy,
    code: &CodeRoute,
    drafts: &[Draft],
    names: &[String],
) -> BTreeMap<(usize, usize), Quota> {
    let kind = policy.store.url.kind();
    let mut overrides = BTreeMap::new();
    for (tier, (tier_name, share)) in code.tiers.iter().enumerate() {
        let TierShare::Quotas(quotas) = share else { continue };
        if quotas.len() != drafts.len() {
            let message = format!("the tier `{tier_name}` has {} quotas, not {}", quotas.len(), drafts.len());
            report.error_help(
                0,
                message,
                "give one for each quota of the limit, or a number to scale them by",
            );
            continue;
        }
        for (index, quota) in quotas.iter().enumerate() {
            let own = own_quota(report, kind, &names[index], &drafts[index], *quota, 0);
            overrides.extend(own.map(|quota| ((tier, index), quota)));
        }
    }
    overrides
}

fn meter(code: &CodeRoute) -> Meter {
    let meter = match (&code.meter, code.most_items) {
        (CodeMeter::Items(pointer), None) => Meter::items(pointer.clone()),
        (CodeMeter::Items(pointer), Some(most)) => Meter::items(pointer.clone()).at_most(most.get()),
        (CodeMeter::Tokens(dialect), _) => Meter::default().and_tokens(TokenMeter::new(*dialect)),
        (CodeMeter::None | CodeMeter::Given, _) => Meter::default(),
    };
    code.key.parts().iter().fold(meter, |meter, part| match part {
        Part::Body(pointer) => meter.and_value(pointer.clone()),
        _ => meter,
    })
}

/// Returns `true` if this meter finds what a request costs of this quota, or nothing has to.
fn is_metered(meter: &CodeMeter, quota: &Quota) -> bool {
    let needs_none = counts_requests(quota) || counts_slots(quota);
    match meter {
        CodeMeter::None => needs_none,
        CodeMeter::Tokens(_) => needs_none || quota.unit().is_tokens(),
        CodeMeter::Items(_) | CodeMeter::Given => true,
    }
}

/// Returns `true` if the number of a body's items says what a request costs in this unit, or nothing about it.
const fn counts_items(unit: Unit) -> bool {
    match unit {
        Unit::Requests | Unit::Items | Unit::Concurrent => true,
        Unit::Tokens | Unit::InputTokens | Unit::OutputTokens | Unit::Bytes | Unit::Usd => false,
    }
}

fn counts_requests(quota: &Quota) -> bool {
    quota.unit() == Unit::Requests
}

fn counts_slots(quota: &Quota) -> bool {
    quota.unit() == Unit::Concurrent
}
