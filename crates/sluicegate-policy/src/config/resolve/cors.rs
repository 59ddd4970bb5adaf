//! `[cors]`.

use http::{HeaderName, Method};

use super::routes;
use crate::{
    Cors, HeaderFamily, Preflight,
    config::{
        file::{CorsTable, OneOrMany, Placed},
        report::Report,
    },
    decide::cors::{Origin, Origins, list, own_fields},
};

pub(super) fn resolve(report: &mut Report<'_>, table: &CorsTable, families: &[HeaderFamily]) -> Cors {
    let origins = origins(report, &table.origins);
    let methods = match &table.methods {
        None => METHODS.to_vec(),
        Some(list) => {
            if list.value.is_empty() {
                let help = "leave `methods` out for the usual ones";
                report.error_help(list.start(), "pages that may use no method cannot call", help);
            }
            routes::methods(report, &list.value)
        }
    };
    let headers = match &table.headers {
        None => None,
        Some(given) if is_any(given) => None,
        Some(given) => Some(names(report, given)),
    };
    let expose = table.expose.as_ref().map(|given| names(report, given)).unwrap_or_default();
    let credentials = table.credentials.as_ref().is_some_and(|given| given.value);
    if credentials && origins == Origins::Any {
        let help =
            "name the origins, as in origins = [\"https://app.example.com\"], or leave `credentials` out";
        report.error_help(table.origins.start(), "browsers reject `*` with credentials", help);
    }
    if let Some(given) = table.expose.as_ref().filter(|given| credentials && is_any(given)) {
        let help = "name the headers, as in expose = [\"x-model-version\"]";
        report.error_help(given.start(), "browsers take `*` literally with credentials", help);
    }
    let preflight = table.preflight.unwrap_or_default();
    let charge_preflights = table.charge_preflights.as_ref().is_some_and(|given| given.value);
    if let Some(given) = table.charge_preflights.as_ref().filter(|given| given.value)
        && preflight == Preflight::Answer
    {
        let help = "add preflight = \"pass\", or leave `charge_preflights` out";
        report.error_help(given.start(), "preflights are charged only if they go to the upstream", help);
    }
    let mut exposed = own_fields(families);
    exposed.extend(expose.iter().filter(|name| !exposed.contains(name)).cloned().collect::<Vec<_>>());
    Cors {
        origins,
        methods,
        headers,
        expose,
        credentials,
        max_age: table.max_age.map_or(DEFAULT_MAX_AGE, |given| given.0),
        preflight,
        charge_preflights,
        exposed_line: list(exposed.iter().map(HeaderName::as_str)),
        exposed,
    }
}

fn origins(report: &mut Report<'_>, given: &Placed<OneOrMany<String>>) -> Origins {
    if is_any(given) {
        return Origins::Any;
    }
    let entries = given.entries();
    if entries.is_empty() {
        report.error_help(given.start(), "no page may call", "name an origin, or leave [cors] out");
    }
    let mut origins: Vec<Origin> = Vec::with_capacity(entries.len());
    for entry in &entries {
        if entry.value == ANY {
            report.error_help(entry.start(), "`*` is every origin", "leave the others out, or `*`");
            continue;
        }
        match entry.value.parse() {
            Err((message, help)) => {
                let message = format!("`{}` is not an origin: {message}", entry.value.escape_debug());
                report.error_help(entry.start(), message, help);
            }
            Ok(origin) if origins.contains(&origin) => {
                report.error(entry.start(), format!("`{origin}` appears twice"));
            }
            Ok(origin) => origins.push(origin),
        }
    }
    Origins::Listed(origins)
}

fn names(report: &mut Report<'_>, given: &Placed<OneOrMany<String>>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for entry in given.entries() {
        match entry.value.parse::<HeaderName>() {
            Err(_) => {
                let message = format!("`{}` is not a valid name of a header", entry.value.escape_debug());
                report.error_help(entry.start(), message, "write it as \"x-model-version\"");
            }
            Ok(name) if names.contains(&name) => {
                report.error(entry.start(), format!("`{name}` appears twice"));
            }
            Ok(name) => names.push(name),
        }
    }
    names
}

fn is_any(given: &Placed<OneOrMany<String>>) -> bool {
    match given.entries().as_slice() {
        [only] => only.value == ANY,
        _ => false,
    }
}

const ANY: &str = "*";
const DEFAULT_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(600);
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
