//! `[decisions]`.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use super::gateway::{are_one, tls, token};
use crate::{
    DecisionsSettings, GatewaySettings,
    config::{
        file::{Address, DecisionsTable, Period, Placed},
        report::Report,
    },
};

pub(super) fn resolve(
    report: &mut Report<'_>,
    table: &DecisionsTable,
    gateway: &GatewaySettings,
) -> DecisionsSettings {
    let listen = table.listen.value.0;
    let resp = table.resp.as_ref().map(|resp| resp.value.0);
    // Without an upstream, nothing listens at `gateway.listen`.
    let clients = (!gateway.upstreams.is_empty()).then_some(("gateway.listen", gateway.listen));
    let taken: Vec<_> = clients.into_iter().chain([("gateway.admin", gateway.admin)]).collect();
    refuse_taken(report, "listen", &table.listen, &taken, "127.0.0.1:8081");
    if let Some(resp) = &table.resp {
        let taken = [taken, vec![("decisions.listen", listen)]].concat();
        refuse_taken(report, "resp", resp, &taken, "127.0.0.1:6380");
    }
    let settings = DecisionsSettings {
        listen,
        resp,
        token: table.token.as_ref().map(|given| token(report, given)),
        tls: table.tls.as_ref().map(|given| tls(report, given, "decisions.tls")),
        lease: table.lease.as_ref().map_or(LEASE, |given| lease(report, given)),
        max_permits: table.max_permits.as_ref().map_or(PERMITS, |given| max_permits(report, given)),
    };
    let has_client_ca = settings.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    if settings.token.is_none() && !has_client_ca {
        refuse_strangers(report, &table.listen, "127.0.0.1:8081");
        if let Some(resp) = &table.resp {
            refuse_strangers(report, resp, "127.0.0.1:6380");
        }
    }
    settings
}

/// Reports an address that another listener has.
fn refuse_taken(
    report: &mut Report<'_>,
    field: &str,
    address: &Placed<Address>,
    taken: &[(&str, SocketAddr)],
    other: &str,
) {
    let own = address.value.0;
    for (name, theirs) in taken.iter().filter(|(_, theirs)| are_one(own, *theirs)) {
        let message = format!("`{field}`, {own}, and `{name}`, {theirs}, cannot both have this port");
        report.error_help(
            address.start(),
            message,
            format!("give it a port of its own, such as \"{other}\""),
        );
    }
}

/// Reports an address that others than this machine's own programs can reach.
fn refuse_strangers(report: &mut Report<'_>, address: &Placed<Address>, loopback: &str) {
    let own = address.value.0;
    if !own.ip().to_canonical().is_loopback() {
        let message = format!("everyone who can reach {own} could spend the quotas of others");
        let help = format!(
            "set a `token`, or a `client_ca` under [decisions.tls], or listen at a loopback address such as \"{loopback}\""
        );
        report.error_help(address.start(), message, help);
    }
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
