//! `[[route]]`.

use std::collections::BTreeMap;

use http::Method;
use sluicegate::Unit;

use crate::{
    Charging, Forwarding, Limit, LimitId, Meter, Part, Route, Routes, TierId, Tiers, Timeouts,
    config::{
        diagnostic::did_you_mean,
        file::{DescriptorTable, File, Period, Placed, RouteTable},
        report::Report,
    },
    decide::{route::Costs, template::Template},
};

use super::{descriptor, forwarding, gateway::timeout, limits::Drafts, meter::meter};

/// The most limits of one route: each is a charge of every request.
pub(super) const MOST_LIMITS: usize = 64;

/// The routes of the file, and last the one for requests that match none.
pub(super) fn route_drafts(
    report: &mut Report<'_>,
    file: &File,
    tiers: &Tiers,
    drafts: &mut Drafts,
) -> Vec<Route> {
    let defaults = match &file.defaults.limits {
        Some(list) => drafts.list(report, "default", list),
        None => Vec::new(),
    };
    let mut unmatched = Route {
        label: Routes::UNMATCHED.to_owned(),
        template: None,
        descriptor: None,
        methods: Vec::new(),
        tier: None,
        meter: Meter::default(),
        weight: 1,
        costs: Costs::ByUnit,
        limits: Vec::new(),
        needs_parameters: false,
        timeouts: Timeouts::default(),
        forwarding: forwarding::defaults(report, &file.defaults),
    };
    give_limits(report, &mut unmatched, &defaults, drafts);
    let standard = unmatched.forwarding.clone();
    unmatched.forwarding.slots_until =
        forwarding::slots_until(standard.slots_until, has_slots(&unmatched, drafts));

    let mut paths: BTreeMap<&str, usize> = BTreeMap::new();
    for path in file.route.iter().filter_map(|table| table.path.as_ref()) {
        *paths.entry(path.value.as_str()).or_default() += 1;
    }
    let mut routes = Vec::with_capacity(file.route.len() + 1);
    for table in &file.route {
        let route = match (&table.descriptor, &table.path) {
            (Some(descriptor), _) => {
                of_descriptor(report, table, &descriptor.value, tiers, drafts, &defaults)
            }
            (None, Some(path)) => {
                let mut route = route(report, table, path, &paths, tiers, drafts, &defaults);
                let has_slots = has_slots(&route, drafts);
                route.forwarding = forwarding::of_route(report, table, &standard, has_slots);
                route
            }
            // Reading the file has reported it.
            (None, None) => continue,
        };
        routes.push(route);
    }
    routes.push(unmatched);
    routes
}

/// Builds the routers, and says which routes are in each other's way.
pub(super) fn build(
    report: &mut Report<'_>,
    file: &File,
    routes: Vec<Route>,
    limits: &[Limit],
) -> Option<Routes> {
    for (route, table) in routes.iter().zip(&file.route) {
        let limits = route.limits.iter().map(|id| &limits[id.index()]);
        for limit in limits.filter(|limit| limit.never_admits(route.weight)) {
            let start = table.weight.as_ref().map_or(table.start(), Placed::start);
            never_passes(report, start, limit, route.weight);
        }
    }
    let labels: Vec<_> = routes.iter().map(|route| route.label.clone()).collect();
    let collisions = match Routes::build(routes) {
        Ok(routes) => return Some(routes),
        Err(mut collisions) => {
            collisions.sort_unstable();
            collisions.dedup();
            collisions
        }
    };
    let mut last = None;
    // The same two routes collide once for each method that they share.
    for collision in collisions.into_iter().filter(|it| last.replace(it.route) != Some(it.route)) {
        let table = &file.route[collision.route];
        let message = match (collision.with.map(|with| &labels[with]), collision.same) {
            (Some(with), true) => format!("another route is for the same requests: `{with}`"),
            (Some(with), false) => format!("the router cannot tell this path from `{with}`"),
            (None, _) => "the router cannot tell this path from another route's".to_owned(),
        };
        let help = match (collision.same, &table.descriptor) {
            (true, None) => "join the two, or give them different methods",
            (true, Some(_)) => "join the two, or give them different entries",
            (false, _) => "give a parameter a whole segment, as in /models/{model}/predict",
        };
        report.error_help(table.start(), message, help);
    }
    None
}

/// Says that a request of this weight fits no account of a limit.
pub(super) fn never_passes(report: &mut Report<'_>, at: usize, limit: &Limit, weight: u64) {
    let message = format!("no request could ever pass `{}`: each costs {weight}", limit.name());
    report.error_help(at, message, "give a smaller weight, or a larger quota or burst");
}

fn route(
    report: &mut Report<'_>,
    table: &RouteTable,
    path: &Placed<String>,
    paths: &BTreeMap<&str, usize>,
    tiers: &Tiers,
    drafts: &mut Drafts,
    defaults: &[(LimitId, usize)],
) -> Route {
    let template = match Template::parse(&path.value) {
        Ok(template) => Some(template),
        Err((message, help)) => {
            report.error_help(path.start(), message, help);
            None
        }
    };
    if let Some(charge) = table.charge.as_ref().filter(|charge| charge.value == Charging::Actual) {
        let help = "leave it out: a request is charged its estimate, and settled when it ends";
        report.error_help(charge.start(), "only the hits of a `descriptor` can be charged like this", help);
    }
    let methods = methods_of(report, table);
    let mut owner = path.value.clone();
    if paths[path.value.as_str()] > 1 {
        // Routes of one path differ in their methods, and so must the names of their limits.
        let names = methods.iter().map(|method| method.as_str().to_lowercase());
        owner = names.chain([owner]).collect::<Vec<_>>().join(" ");
    }
    let mut route = Route {
        label: path.value.clone(),
        template,
        descriptor: None,
        methods,
        tier: table.tier.as_ref().and_then(|tier| required_tier(report, tier, tiers)),
        meter: meter(report, table),
        weight: weight(report, table),
        costs: Costs::ByUnit,
        limits: Vec::new(),
        needs_parameters: false,
        timeouts: timeouts(report, table),
        forwarding: Forwarding::default(),
    };
    match &table.limits {
        Some(list) => {
            let limits = drafts.list(report, &owner, list);
            give_limits(report, &mut route, &limits, drafts);
        }
        None => {
            // What is wrong with the defaults has been said once, and is not said again for each route.
            route.limits = defaults.iter().map(|(id, _)| *id).collect();
            read_bodies(&mut route, drafts);
        }
    }
    route
}

fn of_descriptor(
    report: &mut Report<'_>,
    table: &RouteTable,
    written: &DescriptorTable,
    tiers: &Tiers,
    drafts: &mut Drafts,
    defaults: &[(LimitId, usize)],
) -> Route {
    descriptor::check_fields(report, table);
    let descriptor = descriptor::descriptor(report, written, table.charge.as_ref());
    let mut route = Route {
        label: descriptor.to_string(),
        template: None,
        descriptor: None,
        methods: Vec::new(),
        tier: table.tier.as_ref().and_then(|tier| required_tier(report, tier, tiers)),
        meter: Meter::default(),
        weight: weight(report, table),
        // Envoy gives the hits.
        costs: Costs::Weight,
        limits: Vec::new(),
        needs_parameters: false,
        timeouts: Timeouts::default(),
        forwarding: Forwarding::default(),
    };
    let own = table.limits.as_ref().map(|list| {
        let key = descriptor.key();
        drafts.with_default_key(key, |drafts| drafts.list(report, &route.label, list))
    });
    let limits = own.as_deref().unwrap_or(defaults);
    too_many(report, limits);
    descriptor::give_limits(report, &mut route, &descriptor, limits, drafts);
    route.descriptor = Some(descriptor);
    route
}

fn has_slots(route: &Route, drafts: &Drafts) -> bool {
    route.limits.iter().any(|id| drafts.quota(*id).unit() == Unit::Concurrent)
}

fn timeouts(report: &mut Report<'_>, table: &RouteTable) -> Timeouts {
    let mut given = |period: &Option<Placed<Period>>| {
        period.as_ref().map(|given| timeout(report, Some(given), given.value.0))
    };
    Timeouts {
        response: given(&table.response_timeout),
        idle: given(&table.idle_timeout),
        total: given(&table.timeout),
    }
}

fn too_many(report: &mut Report<'_>, limits: &[(LimitId, usize)]) {
    if let Some((_, start)) = limits.get(MOST_LIMITS) {
        report.error(*start, format!("more than {MOST_LIMITS} limits of this route"));
    }
}

/// Gives a route its limits, and looks whether it has what they need.
fn give_limits(report: &mut Report<'_>, route: &mut Route, limits: &[(LimitId, usize)], drafts: &Drafts) {
    too_many(report, limits);
    let unmatched = route.label == Routes::UNMATCHED;
    for (id, start) in limits {
        let unit = drafts.quota(*id).unit();
        if !route.meter.gives(unit) {
            let meter = match unit {
                Unit::Bytes => "\"bytes\"",
                Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => "\"openai\"",
                Unit::Items | Unit::Requests | Unit::Concurrent | Unit::Usd => "{ items = \"/inputs\" }",
            };
            let (message, help) = if unmatched {
                (
                    format!("nothing counts {unit} where there is no route"),
                    "give the limit to a route with a meter".to_owned(),
                )
            } else {
                (format!("the route has no meter of {unit}"), format!("add to the route: meter = {meter}"))
            };
            report.error_help(*start, message, help);
        }
        for part in drafts.key(*id).parts() {
            if let Part::Entry(_) = part {
                let help = "give the limit to a route with a `descriptor`";
                report.error_help(*start, format!("only descriptors have `{part}`"), help);
            }
            let Part::Parameter(name) = part else { continue };
            match &route.template {
                Some(template) if !template.parameters().any(|known| known == name) => {
                    report.error_or(*start, format!("the path has no parameter `{name}`"), || {
                        let add = format!("write `{{{name}}}` in the route's path");
                        Some(did_you_mean(name, template.parameters()).unwrap_or(add))
                    });
                }
                None if unmatched => {
                    let help = "give the limit to the routes whose path has it";
                    report.error_help(*start, format!("no route has the parameter `{name}` here"), help);
                }
                // It has the parameter, or its template is wrong and that has been said.
                _ => {}
            }
        }
    }
    route.limits = limits.iter().map(|(id, _)| *id).collect();
    read_bodies(route, drafts);
}

/// Lets the route read what the keys of its limits are made of.
fn read_bodies(route: &mut Route, drafts: &Drafts) {
    for id in &route.limits {
        for part in drafts.key(*id).parts() {
            match part {
                Part::Body(pointer) => {
                    route.meter = std::mem::take(&mut route.meter).and_value(pointer.clone());
                }
                Part::Parameter(_) => route.needs_parameters = true,
                _ => {}
            }
        }
    }
}

fn methods_of(report: &mut Report<'_>, table: &RouteTable) -> Vec<Method> {
    let Some(list) = &table.methods else { return Vec::new() };
    if list.value.is_empty() {
        let help = "leave `methods` out for all of them";
        report.error_help(list.start(), "a route of no methods matches nothing", help);
    }
    methods(report, &list.value)
}

pub(super) fn methods(report: &mut Report<'_>, list: &[Placed<String>]) -> Vec<Method> {
    let mut methods = Vec::with_capacity(list.len());
    for word in list {
        let known = METHODS.iter().find(|method| method.as_str() == word.value);
        match known {
            None => report.error_or(word.start(), format!("unknown method `{}`", word.value), || {
                let names = METHODS.iter().map(Method::as_str);
                did_you_mean(&word.value, names).or_else(|| {
                    Some(format!("the methods are {}", METHODS.map(|it| it.to_string()).join(", ")))
                })
            }),
            Some(method) if methods.contains(method) => {
                report.error(word.start(), format!("`{method}` appears twice"));
            }
            Some(method) => methods.push(method.clone()),
        }
    }
    methods
}

fn required_tier(report: &mut Report<'_>, tier: &Placed<String>, tiers: &Tiers) -> Option<TierId> {
    let found = tiers.find(&tier.value).filter(|_| tiers.are_named());
    if found.is_none() {
        report.error_or(tier.start(), format!("no tier is called `{}`", tier.value), || {
            let names = tiers.as_slice().iter().map(crate::Tier::name).filter(|_| tiers.are_named());
            did_you_mean(&tier.value, names).or_else(|| Some(format!("add [tiers.{}]", tier.value)))
        });
    }
    found
}

fn weight(report: &mut Report<'_>, table: &RouteTable) -> u64 {
    let Some(given) = &table.weight else { return 1 };
    match u64::try_from(given.value) {
        Ok(weight @ 1..) => weight,
        _ => {
            let message = format!("a weight cannot be {}", given.value);
            report.error_help(given.start(), message, "give a whole number of requests, at least 1");
            1
        }
    }
}

const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
    Method::CONNECT,
];
