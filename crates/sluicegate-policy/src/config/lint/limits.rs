//! Warnings about limits that limit nothing.

use sluicegate::Unit;

use crate::{
    Mode, Policy, Route,
    config::{
        file::{File, MeterEntry, Placed, RouteTable},
        report::Report,
    },
};

pub(super) fn lint(report: &mut Report<'_>, file: &File, policy: &Policy) {
    let routes = policy.routes.as_slice();
    for (name, _) in &file.limits {
        let id = policy.find_limit(&name.value);
        if !routes.iter().any(|route| route.limits().iter().any(|limit| Some(*limit) == id)) {
            let help = format!("add \"{}\" to the `limits` of a route, or leave it out", name.value);
            report.error_help(name.start(), "no route names this limit, so it limits nothing", help);
        }
    }
    // Clients of the Redis protocol bring theirs along.
    let limits_come_with_commands =
        policy.decisions.as_ref().is_some_and(|decisions| decisions.resp.is_some());
    if routes.iter().all(|route| route.limits().is_empty()) && !limits_come_with_commands {
        let help = "add `limits` to a [[route]] or to [defaults]";
        report.file_error("the policy has no limits: every request passes", help);
        return;
    }
    let of_file = routes.iter().zip(&file.route);
    for (route, table) in of_file {
        if route.limits().is_empty() && table.limits.is_none() {
            let help = "give it `limits`, or write limits = [] to say that it has none";
            report.error_help(table.start(), "this route has no limits, and [defaults] has none", help);
        }
        if let Some(start) = count_of(table).filter(|_| !policy.reserves_input(route)) {
            let help = "add a limit of tokens or input_tokens, or leave this out";
            let message = "no limit of this route reserves input tokens, so none are counted";
            report.error_help(start, message, help);
        }
        if let Some(list) = &table.limits {
            in_shadow(report, list.start(), route, policy);
        }
        let counts_requests =
            |route: &Route| route.limits().iter().any(|id| policy.limit(*id).unit() == Unit::Requests);
        if let Some(weight) = table
            .weight
            .as_ref()
            .filter(|weight| weight.value > 1 && !counts_requests(route) && route.descriptor().is_none())
        {
            let help = "add a limit on requests, or leave `weight` out";
            let message = "no limit of this route counts requests, so its weight changes nothing";
            report.error_help(weight.start(), message, help);
        }
    }
    if let Some(list) = &file.defaults.limits {
        in_shadow(report, list.start(), policy.routes.get(policy.routes.unmatched()), policy);
    }
}

/// The place of the `count` or the `tokenizer` of a route's meter.
fn count_of(table: &RouteTable) -> Option<usize> {
    table.meter.as_ref()?.entries().iter().find_map(|entry| match &entry.value {
        MeterEntry::Table(meter) => meter.count.as_ref().or(meter.tokenizer.as_ref()).map(Placed::start),
        MeterEntry::Word(_) => None,
    })
}

fn in_shadow(report: &mut Report<'_>, at: usize, route: &Route, policy: &Policy) {
    let mut limits = route.limits().iter().map(|id| policy.limit(*id));
    if !route.limits().is_empty() && limits.all(|limit| limit.mode() == Mode::Shadow) {
        let help = "leave `mode` out of a limit that is to deny";
        report.error_help(at, "all limits here are in shadow mode, so none denies", help);
    }
}
