//! Warnings about `[gateway]`.

use std::net::{IpAddr, SocketAddr};

use crate::{
    Policy, Upstream,
    config::{
        file::{File, Placed, UpstreamEntry},
        report::Report,
    },
    decide::trusted_proxy,
};

pub(super) fn lint(report: &mut Report<'_>, file: &File, policy: &Policy) {
    let table = &file.gateway;
    // A policy without settings of the gateway may be one of the Python package.
    let address = table.listen.as_ref().or(table.admin.as_ref());
    if let Some(address) = address.filter(|_| table.upstream.is_none() && file.decisions.is_none()) {
        let help = "set `upstream` under [gateway], or start with --upstream http://HOST:PORT";
        report.error_help(address.start(), "no upstream: the gateway does not start without one", help);
    }
    if let Some(given) = &table.upstream {
        for entry in given.entries() {
            let upstream = match &entry.value {
                UpstreamEntry::Url(url) => url,
                UpstreamEntry::Table(table) => &table.url,
            };
            leads_back(report, entry.start(), upstream, policy);
        }
    }
    let is_open = !policy.gateway.admin.ip().to_canonical().is_loopback();
    if let Some(admin) = table.admin.as_ref().filter(|_| is_open && policy.gateway.admin_token.is_none()) {
        let message = "other machines reach the admin port and see its metrics, but without a token, nobody \
                       reaches accounts, the policy or reloads";
        let help = "set `admin_token`, or give an address of this machine alone, such as \"127.0.0.1:9090\"";
        report.error_help(admin.start(), message, help);
    }
    if let Some(ca) = &table.upstream_ca
        && table.upstream.is_some()
        && !policy.gateway.upstreams.iter().any(Upstream::is_tls)
    {
        let help = "write the upstream's URL with https://, or leave `upstream_ca` out";
        report.error_help(ca.start(), "roots for TLS, but no upstream uses TLS", help);
    }
    let is_served = table.listen.is_some() || table.upstream.is_some();
    if let Some(proxies) = &table.trusted_proxies
        && is_served
        && !policy.gateway.trusted_proxies.is_empty()
        && policy.gateway.trusted_proxies.iter().all(trusted_proxy::is_unix)
    {
        let tiers = if policy.identity.tier_header.is_some() { " or tier" } else { "" };
        let message = format!(
            "the gateway has no peers on Unix sockets, so it believes nobody's forwarding header{tiers}"
        );
        let help = "name its proxies by their addresses: trusted_proxies = [\"unix\", \"10.0.0.0/8\"]";
        report.error_help(proxies.start(), message, help);
    }
    for proxy in table.trusted_proxies.as_ref().map(Placed::entries).unwrap_or_default() {
        if matches!(proxy.value.split_once('/'), Some((_, "0"))) {
            let message = "everybody is a trusted proxy, so every client can claim any address";
            report.error_help(proxy.start(), message, "name the networks of your proxies alone");
        }
    }
}

/// Warns of an upstream that is the gateway itself.
fn leads_back(report: &mut Report<'_>, at: usize, upstream: &Upstream, policy: &Policy) {
    let name = match () {
        () if reaches(upstream, policy.gateway.listen) => "listen",
        () if reaches(upstream, policy.gateway.admin) => "admin",
        () => return,
    };
    let message = format!("this upstream is `{name}`: the gateway would send requests to itself");
    report.error_help(at, message, "give the address of the server that is to be protected");
}

/// Returns `true` if who connects to the upstream from this machine comes to `address`.
fn reaches(upstream: &Upstream, address: SocketAddr) -> bool {
    if upstream.port() != address.port() {
        return false;
    }
    let is_local = upstream.host().eq_ignore_ascii_case("localhost");
    let target = upstream.host().parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let listens = address.ip().to_canonical();
    match target {
        Some(target) if target == listens => true,
        // `[::]` takes connections to IPv4 addresses, too.
        Some(target) => {
            let is_here = target.is_loopback() || target.is_unspecified();
            is_here && listens.is_unspecified() && (listens.is_ipv6() || target.is_ipv4())
        }
        None => is_local && (listens.is_unspecified() || listens.is_loopback()),
    }
}
