//! `[gateway.health]` and `[gateway.ejection]`.

use std::num::NonZeroU32;

use super::gateway::timeout;
use crate::{
    EjectionSettings, HealthSettings,
    config::{
        file::{EjectionTable, HealthTable, Placed},
        report::Report,
    },
};

pub(super) fn health(report: &mut Report<'_>, table: &HealthTable) -> HealthSettings {
    let path = &table.path;
    if !path.value.starts_with('/') || path.value.parse::<http::uri::PathAndQuery>().is_err() {
        let message = format!("`{}` is not a path", path.value.escape_debug());
        report.error_help(path.start(), message, "write a path of the upstreams, such as \"/health\"");
    }
    let default = HealthSettings::new(path.value.clone());
    HealthSettings {
        interval: timeout(report, table.interval.as_ref(), default.interval),
        timeout: timeout(report, table.timeout.as_ref(), default.timeout),
        healthy: in_a_row(report, "healthy", table.healthy.as_ref(), 1).flatten().unwrap_or(default.healthy),
        unhealthy: in_a_row(report, "unhealthy", table.unhealthy.as_ref(), 1)
            .flatten()
            .unwrap_or(default.unhealthy),
        path: default.path,
    }
}

pub(super) fn ejection(report: &mut Report<'_>, table: &EjectionTable) -> EjectionSettings {
    let default = EjectionSettings::default();
    let time = timeout(report, table.time.as_ref(), default.time);
    EjectionSettings {
        failures: in_a_row(report, "failures", table.failures.as_ref(), 0).unwrap_or(default.failures),
        time,
        max_time: timeout(report, table.max_time.as_ref(), default.max_time).max(time),
        answers: table.answers.unwrap_or(default.answers),
    }
}

/// A number from `least` to 1000, if one is given; zero is none.
fn in_a_row(
    report: &mut Report<'_>,
    name: &str,
    given: Option<&Placed<i64>>,
    least: u32,
) -> Option<Option<NonZeroU32>> {
    let given = given?;
    match u32::try_from(given.value) {
        Ok(number) if (least..=1000).contains(&number) => Some(NonZeroU32::new(number)),
        _ => {
            let message = format!("`{name}` cannot be {}", given.value);
            report.error_help(given.start(), message, format!("give a number from {least} to 1000"));
            None
        }
    }
}
