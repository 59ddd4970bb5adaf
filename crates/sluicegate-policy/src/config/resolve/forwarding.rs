//! Settings for handing a route's requests to the upstream.

use std::time::Duration;

use http::HeaderName;

use crate::{
    Forwarding, SlotsUntil,
    config::{
        file::{DefaultsTable, Period, Placed, RouteTable},
        report::Report,
    },
};

/// Resolves the settings of routes that say nothing of their own, and of requests that match none.
pub(super) fn defaults(report: &mut Report<'_>, table: &DefaultsTable) -> Forwarding {
    Forwarding {
        removed_headers: removed(report, table.remove_request_headers.as_ref()).unwrap_or_default(),
        retry_after: retry_after(report, table.retry_after.as_ref()),
        slots_until: table.slots_until.unwrap_or_default(),
    }
}

/// Resolves a route's settings, and takes the defaults where it says nothing.
pub(super) fn of_route(
    report: &mut Report<'_>,
    table: &RouteTable,
    defaults: &Forwarding,
    has_slots: bool,
) -> Forwarding {
    if let Some(given) = &table.slots_until
        && !has_slots
    {
        let help = "give the route a limit such as \"4 concurrent\", or leave `slots_until` out";
        report.error_help(given.start(), "the route has no slots to give back", help);
    }
    let removed = removed(report, table.remove_request_headers.as_ref());
    Forwarding {
        removed_headers: removed.unwrap_or_else(|| defaults.removed_headers.clone()),
        retry_after: retry_after(report, table.retry_after.as_ref()).or(defaults.retry_after),
        slots_until: match &table.slots_until {
            Some(given) => given.value,
            None => slots_until(defaults.slots_until, has_slots),
        },
    }
}

/// A default for all routes means those that have slots: nothing is gained by going on with what others have left.
pub(super) fn slots_until(default: SlotsUntil, has_slots: bool) -> SlotsUntil {
    if has_slots { default } else { SlotsUntil::ClientLeaves }
}

fn retry_after(report: &mut Report<'_>, given: Option<&Placed<Period>>) -> Option<Duration> {
    let given = given?;
    let wait = given.value.0;
    if wait.is_zero() || wait.subsec_nanos() > 0 {
        let help = "give whole seconds, at least \"1s\"";
        report.error_help(given.start(), "`Retry-After` cannot express this time", help);
    }
    Some(wait)
}

fn removed(report: &mut Report<'_>, list: Option<&Placed<Vec<Placed<String>>>>) -> Option<Vec<HeaderName>> {
    let list = list?;
    let mut names = Vec::with_capacity(list.value.len());
    for given in &list.value {
        let shown = given.value.escape_debug();
        let Ok(name) = HeaderName::from_bytes(given.value.as_bytes()) else {
            let help = "write the name of a header field, such as \"X-Conversation-Id\"";
            report.error_help(given.start(), format!("`{shown}` is not a valid header name"), help);
            continue;
        };
        if let Some(reason) = reason_to_keep(name.as_str()) {
            report.error_help(given.start(), format!("`{shown}` cannot be removed"), reason);
        } else if names.contains(&name) {
            report.error(given.start(), format!("`{shown}` appears twice"));
        } else {
            names.push(name);
        }
    }
    Some(names)
}

/// Returns the reason that the upstream's request needs this field, or never has the client's.
fn reason_to_keep(name: &str) -> Option<&'static str> {
    match name {
        "host" => Some("every request needs it; an upstream with `host = \"upstream\"` is told its own host"),
        "content-length" | "transfer-encoding" | "trailer" => {
            Some("it says where the body ends; the gateway writes it to fit the body that it sends")
        }
        "content-type" | "content-encoding" => {
            Some("without it the upstream reads the body as something else")
        }
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "te"
        | "upgrade"
        | "http2-settings"
        | "expect" => Some("it concerns one connection only; the gateway never forwards the client's"),
        "forwarded" | "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "via"
        | "x-request-id" => {
            Some("the gateway writes it itself; what a client claims there is not believed anyway")
        }
        _ => None,
    }
}
