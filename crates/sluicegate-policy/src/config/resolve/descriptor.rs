//! `descriptor` of `[[route]]`.

use sluicegate::Unit;

use crate::{
    Charging, Descriptor, LimitId, Route,
    config::{
        file::{DescriptorTable, Placed, RouteTable},
        report::Report,
    },
    decide::descriptor::DescriptorEntry,
};

use super::limits::Drafts;

/// The most entries of one descriptor.
const MOST_ENTRIES: usize = 64;

pub(super) fn descriptor(
    report: &mut Report<'_>,
    table: &DescriptorTable,
    charging: Option<&Placed<Charging>>,
) -> Descriptor {
    let DescriptorTable { domain, entries } = table;
    if domain.value.is_empty() {
        report.error_help(domain.start(), "an empty domain", "write the `domain` of Envoy's filter");
    }
    if entries.value.is_empty() {
        let help = "write the keys of the descriptor's entries, such as \"user\"";
        report.error_help(entries.start(), "a descriptor of no entries", help);
    }
    if entries.value.len() > MOST_ENTRIES {
        report.error(entries.start(), format!("more than {MOST_ENTRIES} entries"));
    }
    let entries = entries.value.iter().map(|entry| self::entry(report, entry)).collect();
    let charging = charging.map_or(Charging::default(), |charging| charging.value);
    Descriptor { domain: domain.value.clone(), entries, charging }
}

fn entry(report: &mut Report<'_>, written: &Placed<String>) -> DescriptorEntry {
    let (key, value) = match written.value.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (written.value.as_str(), None),
    };
    if key.is_empty() {
        let help = "write \"user\" for any value, or \"generic_key=chat\" for this one";
        report.error_help(written.start(), "an entry without a key", help);
    }
    DescriptorEntry { key: key.to_owned(), value: value.map(str::to_owned) }
}

/// Refuses what a route has only for requests that the gateway serves, or whose bodies it reads.
pub(super) fn check_fields(report: &mut Report<'_>, table: &RouteTable) {
    let given = [
        ("path", table.path.as_ref().map(Placed::start)),
        ("methods", table.methods.as_ref().map(Placed::start)),
        ("meter", table.meter.as_ref().map(Placed::start)),
        ("response_timeout", table.response_timeout.as_ref().map(Placed::start)),
        ("idle_timeout", table.idle_timeout.as_ref().map(Placed::start)),
        ("timeout", table.timeout.as_ref().map(Placed::start)),
        ("remove_request_headers", table.remove_request_headers.as_ref().map(Placed::start)),
        ("retry_after", table.retry_after.as_ref().map(Placed::start)),
        ("slots_until", table.slots_until.as_ref().map(Placed::start)),
    ];
    for (name, start) in given {
        let Some(start) = start else { continue };
        let (message, help) = match name {
            "path" => ("a route is for a `path` or for a `descriptor`".to_owned(), "make two routes of it"),
            "meter" => (
                "a descriptor has no `meter`: Envoy tells its hits".to_owned(),
                "leave it out, and set `hits_addend` in Envoy's configuration",
            ),
            name => (
                format!("a descriptor has no `{name}`: Envoy serves the request itself"),
                "leave it out, and configure it in Envoy",
            ),
        };
        report.error_help(start, message, help);
    }
}

/// Gives a route of a descriptor its limits, and looks whether the descriptor has what they need.
pub(super) fn give_limits(
    report: &mut Report<'_>,
    route: &mut Route,
    descriptor: &Descriptor,
    limits: &[(LimitId, usize)],
    drafts: &Drafts,
) {
    for (id, start) in limits {
        if drafts.quota(*id).unit() == Unit::Concurrent {
            let message = "nobody tells when the request of a descriptor ends, so it cannot hold a slot";
            let help = "limit its hits by a rate, or send these requests through the gateway";
            report.error_help(*start, message, help);
        }
        for part in drafts.key(*id).parts() {
            if let Some((message, help)) = descriptor.lacks(part) {
                report.error_help(*start, message, help);
            }
        }
    }
    route.limits = limits.iter().map(|(id, _)| *id).collect();
}
