//! `[telemetry]`.

use std::{borrow::Cow, time::Duration};

use http::{
    HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING},
};
use percent_encoding::percent_decode_str;

use crate::{
    Hidden, TelemetrySettings, Upstream,
    config::{
        file::{Placed, TelemetryTable},
        report::Report,
    },
};

pub(super) fn resolve(report: &mut Report<'_>, table: &TelemetryTable) -> TelemetrySettings {
    let endpoint = table.endpoint.as_ref().and_then(|given| endpoint(report, given));
    let default = TelemetrySettings::new(endpoint.unwrap_or_else(Upstream::collector));
    TelemetrySettings {
        headers: table.headers.as_ref().map_or_else(Vec::new, |given| headers(report, given)),
        service_name: table
            .service_name
            .as_ref()
            .map_or(default.service_name, |given| service_name(report, given)),
        traces: table.traces.unwrap_or(default.traces),
        sampling: table.sampling.as_ref().map_or(default.sampling, |given| {
            let share = given.value.0;
            if !(0.0..=1.0).contains(&share) {
                let message = format!("`sampling` cannot be {share}");
                report.error_help(given.start(), message, "give a share from 0 to 1, such as 0.05");
            }
            share
        }),
        metrics: table.metrics.unwrap_or(default.metrics),
        metrics_interval: table.metrics_interval.as_ref().map_or(default.metrics_interval, |given| {
            if given.value.0 < SHORTEST_INTERVAL {
                report.error_help(given.start(), "too short an interval", "give at least \"1s\"");
            }
            given.value.0
        }),
        endpoint: default.endpoint,
    }
}

fn endpoint(report: &mut Report<'_>, given: &Placed<String>) -> Option<Upstream> {
    let text = given.value.trim_end_matches('/');
    for (path, signal) in [("/v1/traces", "traces"), ("/v1/metrics", "metrics")] {
        if let Some(base) = text.strip_suffix(path) {
            let message = format!("`endpoint` is for traces and metrics, not for {signal} alone");
            report.error_help(given.start(), message, format!("write \"{base}\", without {path}"));
            return None;
        }
    }
    match text.parse::<Upstream>() {
        Ok(endpoint) if !endpoint.is_h2c() => Some(endpoint),
        _ => {
            // It may hold a password, so it is not shown.
            let message = "`endpoint` is not the URL of a collector that speaks OTLP over HTTP";
            let help = "write it as \"http://HOST:4318\" or with https, without user, query and /v1/traces";
            report.error_help(given.start(), message, help);
            None
        }
    }
}

/// Reads headers as OpenTelemetry's variables have them.
fn headers(report: &mut Report<'_>, given: &Placed<Hidden>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let entries = given.value.reveal().split(',').map(str::trim).filter(|entry| !entry.is_empty());
    for (index, entry) in entries.enumerate() {
        match header(entry) {
            Ok((name, value)) if !OURS.contains(&name) => headers.push((name, value)),
            Ok((name, _)) => {
                let help = "leave it out: the gateway sets it";
                report.error_help(given.start(), format!("`headers` cannot set `{name}`"), help);
            }
            // The entry may be a secret, so only its place is told.
            Err(()) => {
                let message = format!("entry {} of `headers` is not a header", index + 1);
                report.error_help(given.start(), message, "write `headers` as \"name=value,name=value\"");
            }
        }
    }
    headers
}

fn header(entry: &str) -> Result<(HeaderName, HeaderValue), ()> {
    let (name, value) = entry.split_once('=').ok_or(())?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(drop)?;
    let value: Cow<'_, [u8]> = percent_decode_str(value.trim()).into();
    let mut value = HeaderValue::from_bytes(&value).map_err(drop)?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn service_name(report: &mut Report<'_>, given: &Placed<String>) -> String {
    if given.value.is_empty() {
        report.error_help(given.start(), "no name", "give a name such as \"sluicegate\"");
    }
    given.value.clone()
}

const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Headers that the gateway sets itself.
const OURS: [HeaderName; 5] = [HOST, CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];
