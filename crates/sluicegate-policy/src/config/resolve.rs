//! From the policy as written to the policy as resolved. Everything that is wrong is found in one go.

mod accounts;
mod code;
mod cors;
mod decision_log;
mod decisions;
mod descriptor;
mod forwarding;
mod gateway;
mod health;
mod identity;
mod limit_names;
mod limits;
mod meter;
mod routes;
mod store;
mod telemetry;
mod terms;
mod tiers;
mod token_places;

use std::{path::PathBuf, sync::Arc};

use crate::{
    Diagnostics, HeaderFamily, Policy, Responses, Scale, Source, Warmup,
    config::{
        file::{File, Placed, ResponsesTable, WarmupTable},
        report::Report,
    },
};

pub(crate) use self::code::with_route;

use self::{limits::Drafts, routes::route_drafts};

/// The path of a file, which is relative to where it is written: the policy file, or the shell of a flag or variable.
fn path(report: &mut Report<'_>, given: &Placed<String>, help: &str) -> PathBuf {
    if given.value.is_empty() {
        report.error_help(given.start(), "no file", help);
    }
    report.source().beside(given.start()).join(&given.value)
}

pub(crate) fn resolve(source: &Source, file: &File) -> Result<Policy, Diagnostics> {
    let mut report = Report::new(source);
    let policy = build(&mut report, file);
    report.finish(policy)
}

fn build(report: &mut Report<'_>, file: &File) -> Option<Policy> {
    let gateway = gateway::resolve(report, &file.gateway);
    let store = store::resolve(report, &file.store);
    let warmup = file.warmup.as_ref().and_then(|table| warmup(report, table)).map(Arc::new);
    let responses = responses(report, &file.responses);
    let cors = file.cors.as_ref().map(|table| Arc::new(cors::resolve(report, table, &responses.headers)));
    let decision_log = file.decision_log.as_ref().map(|table| decision_log::resolve(report, table));
    let telemetry = file.telemetry.as_ref().map(|table| telemetry::resolve(report, table));
    if let (Some(warmup), Some(_), []) = (&file.warmup, &file.decisions, &gateway.upstreams[..]) {
        let help = "name the `upstream` under [gateway], or leave [warmup] out";
        report.error_help(warmup.ready.start(), "no upstream to ask whether it is ready", help);
    }
    let decisions = file.decisions.as_ref().map(|table| decisions::resolve(report, table, &gateway));
    let tiers = tiers::resolve(report, file);

    let mut drafts = Drafts::new(report, file);
    let identity = identity::resolve(report, &file.identity, &tiers, &mut drafts);
    let routes = route_drafts(report, file, &tiers, &mut drafts);
    let limits = drafts.finish(report, file, &tiers, &store);
    let routes = routes::build(report, file, routes, &limits)?;
    let warnings = Diagnostics::default();
    Some(Policy {
        gateway,
        store,
        identity,
        tiers,
        warmup,
        limits,
        routes,
        responses,
        cors,
        decision_log,
        telemetry,
        decisions,
        warnings,
    })
}

fn warmup(report: &mut Report<'_>, table: &WarmupTable) -> Option<Warmup> {
    let scale = match &table.scale {
        None => Scale::of(0.2),
        Some(given) => {
            let scale = Scale::of(given.value.0).filter(|scale| *scale <= Scale::WHOLE);
            if scale.is_none() {
                let message = format!("a warm-up cannot scale limits by {}", given.value.0);
                report.error_help(given.start(), message, "give a number above 0 and at most 1, such as 0.2");
            }
            scale
        }
    };
    let ready = &table.ready;
    if !ready.value.starts_with('/') || !ready.value.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("`{}` is not a path", ready.value.escape_debug());
        report.error_help(ready.start(), message, "write a path of the upstream, such as \"/health\"");
    }
    let ramp = table.ramp.map_or(DEFAULT_RAMP, |ramp| ramp.0);
    Some(Warmup::new(scale?, ready.value.clone(), ramp))
}

fn responses(report: &mut Report<'_>, table: &ResponsesTable) -> Responses {
    let retry_after_max = table.retry_after_max.as_ref().map(|longest| {
        if longest.value.0.subsec_nanos() != 0 || longest.value.0.is_zero() {
            report.error_help(longest.start(), "`Retry-After` is in whole seconds", "write it as \"60s\"");
        }
        longest.value.0
    });
    let Some(given) = &table.headers else {
        return Responses { headers: vec![HeaderFamily::Ietf], retry_after_max };
    };
    let mut headers = Vec::new();
    for family in given {
        if headers.contains(&family.value) {
            report.error(family.start(), "this family of headers appears twice");
        } else {
            headers.push(family.value);
        }
    }
    Responses { headers, retry_after_max }
}

const DEFAULT_RAMP: std::time::Duration = std::time::Duration::from_secs(30);
