//! Warnings about limits that decisions cannot apply.

use sluicegate::Algorithm;

use crate::{
    Policy,
    config::{
        file::{File, Placed},
        report::Report,
    },
};

pub(super) fn lint(report: &mut Report<'_>, file: &File, policy: &Policy) {
    if let Some(descriptor) = file.route.iter().find_map(|table| table.descriptor.as_ref())
        && policy.decisions.is_none()
    {
        let help = "add [decisions] with the address at which Envoy asks";
        report.error_help(descriptor.start(), "nobody can ask for descriptors without [decisions]", help);
    }
    // Where there is an upstream, the gateway may serve what decisions cannot.
    if policy.decisions.is_none() || !policy.gateway.upstreams.is_empty() {
        return;
    }
    let tier = policy.tiers.default_tier();
    let is_concurrent = |id| policy.limit(id).quota(tier).algorithm() == Algorithm::Concurrent;
    for (route, table) in policy.routes.as_slice().iter().zip(&file.route) {
        if let Some(meter) = &table.meter {
            let message = "proxies that ask send no bodies: each request of this route is refused with 400";
            let help = "ask at /take, with the body, or name an `upstream` and send these requests through the gateway";
            report.error_help(meter.start(), message, help);
        }
        if route.limits().iter().copied().any(is_concurrent) {
            let place = table.limits.as_ref().or(file.defaults.limits.as_ref()).map(Placed::start);
            let message =
                "decisions for proxies end at once and give slots back: concurrent limits deny nothing there";
            let help = "ask at /take, which holds slots, or name an `upstream` and send these requests through the gateway";
            report.error_help(place.unwrap_or_else(|| table.start()), message, help);
        }
    }
}
