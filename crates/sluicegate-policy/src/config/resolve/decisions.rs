//! `[decisions]`.

use std::{num::NonZeroUsize, time::Duration};

use super::gateway::{are_one, tls, token};
use crate::{
    DecisionsSettings, GatewaySettings,
    config::{
        file::{DecisionsTable, Period, Placed},
        report::Report,
    },
};

pub(super) fn resolve(
    report: &mut Report<'_>,
    table: &DecisionsTable,
    gateway: &GatewaySettings,
) -> DecisionsSettings {
    let listen = table.listen.value.0;
    // Without an upstream, nothing listens at `gateway.listen`.
    let clients = (!gateway.upstreams.is_empty()).then_some(("gateway.listen", gateway.listen));
    let taken = clients.into_iter().chain([("gateway.admin", gateway.admin)]);
    for (name, other) in taken.filter(|(_, other)| are_one(listen, *other)) {
        let message = format!("`listen`, {listen}, and `{name}`, {other}, cannot both have this port");
        report.error_help(
            table.listen.start(),
            message,
            "give it a port of its own, such as \"127.0.0.1:8081\"",
        );
    }
    let settings = DecisionsSettings {
        listen,
        token: table.token.as_ref().map(|given| token(report, given)),
        tls: table.tls.as_ref().map(|given| tls(report, given, "decisions.tls")),
        lease: table.lease.as_ref().map_or(LEASE, |given| lease(report, given)),
        max_permits: table.max_permits.as_ref().map_or(PERMITS, |given| max_permits(report, given)),
    };
    let has_client_ca = settings.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    if !listen.ip().to_canonical().is_loopback() && settings.token.is_none() && !has_client_ca {
        let message = format!("everyone who can reach {listen} could spend the quotas of others");
        let help = "set a `token`, or a `client_ca` under [decisions.tls], or listen at a loopback address such as \
                    \"127.0.0.1:8081\"";
        report.error_help(table.listen.start(), message, help);
    }
    settings
}

fn lease(report: &mut Report<'_>, given: &Placed<Period>) -> Duration {
    if given.value.0.is_zero() {
        report.error_help(given.start(), "a lease of 0 ends at once", "give a duration such as \"60s\"");
    }
    given.value.0
}

fn max_permits(report: &mut Report<'_>, given: &Placed<i64>) -> NonZeroUsize {
    let permits = usize::try_from(given.value).ok().and_then(NonZeroUsize::new);
    permits.filter(|permits| permits.get() <= MOST_PERMITS).unwrap_or_else(|| {
        let message = format!("`max_permits` cannot be {}", given.value);
        report.error_help(given.start(), message, format!("give a number from 1 to {MOST_PERMITS}"));
        PERMITS
    })
}

const LEASE: Duration = Duration::from_secs(60);
const PERMITS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
const MOST_PERMITS: usize = 10_000_000;
