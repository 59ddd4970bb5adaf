//! `[gateway]`.

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use http::uri::Authority;
use ipnet::IpNet;

use super::{health, path};
use crate::{
    GatewaySettings, Hidden, TlsSettings, Upstream,
    config::{
        file::{GatewayTable, Period, Placed, Size, TlsTable, UpstreamEntry},
        report::Report,
    },
    decide::trusted_proxy::{self, trusted_proxy},
};

pub(super) fn resolve(report: &mut Report<'_>, table: &GatewayTable) -> GatewaySettings {
    let default = GatewaySettings::default();
    GatewaySettings {
        listen: table.listen.as_ref().map_or(default.listen, |listen| listen.value.0),
        reuse_port: table.reuse_port.unwrap_or(default.reuse_port),
        tls: table.tls.as_ref().map(|given| tls(report, given, "gateway.tls")),
        upstreams: upstreams(report, table),
        rewrite_redirects: table.rewrite_redirects.unwrap_or(default.rewrite_redirects),
        upstream_ca: table.upstream_ca.as_ref().map(|given| upstream_ca(report, given)),
        admin: admin(report, table, &default),
        admin_token: table.admin_token.as_ref().map(|given| token(report, given)),
        trusted_proxies: trusted_proxies(report, table),
        proxy_protocol: proxy_protocol(report, table),
        forwarded_header: table.forwarded_header.unwrap_or_default(),
        max_body: max_body(report, table, default.max_body),
        max_head: head(report, "max_head", 1, table.max_head.as_ref(), default.max_head),
        max_headers: number(report, "max_headers", table.max_headers.as_ref(), 1..=1000, default.max_headers),
        max_response_head: head(
            report,
            "max_response_head",
            8,
            table.max_response_head.as_ref(),
            default.max_response_head,
        ),
        max_response_headers: number(
            report,
            "max_response_headers",
            table.max_response_headers.as_ref(),
            100..=10_000,
            default.max_response_headers,
        ),
        interim_responses: table.interim_responses.unwrap_or(default.interim_responses),
        http2_max_streams: number(
            report,
            "http2_max_streams",
            table.http2_max_streams.as_ref(),
            1..=10_000,
            default.http2_max_streams,
        ),
        http2_max_resets: number(
            report,
            "http2_max_resets",
            table.http2_max_resets.as_ref(),
            1..=1_000_000,
            default.http2_max_resets,
        ),
        max_connections: connections(report, "max_connections", table.max_connections.as_ref()),
        max_connections_per_ip: connections(
            report,
            "max_connections_per_ip",
            table.max_connections_per_ip.as_ref(),
        ),
        threads: threads(report, table),
        connect_timeout: timeout(report, table.connect_timeout.as_ref(), default.connect_timeout),
        retries: number(report, "retries", table.retries.as_ref(), 0..=10, default.retries),
        health: table.health.as_ref().map(|table| health::health(report, table)),
        ejection: health::ejection(report, &table.ejection),
        slow_start: table.slow_start.map_or(default.slow_start, |given| given.0),
        response_timeout: timeout(report, table.response_timeout.as_ref(), default.response_timeout),
        idle_timeout: timeout(report, table.idle_timeout.as_ref(), default.idle_timeout),
        header_timeout: timeout(report, table.header_timeout.as_ref(), default.header_timeout),
        client_keep_alive: timeout(report, table.client_keep_alive.as_ref(), default.client_keep_alive),
        keep_alive: timeout(report, table.keep_alive.as_ref(), default.keep_alive),
        drain_timeout: table.drain_timeout.as_ref().map_or(default.drain_timeout, |given| given.value.0),
        drain_idle_timeout: table.drain_idle_timeout.map_or(default.drain_idle_timeout, |given| given.0),
        log: table.log.unwrap_or_default(),
        log_keys: table.log_keys.unwrap_or_default(),
    }
}

fn upstreams(report: &mut Report<'_>, table: &GatewayTable) -> Vec<Upstream> {
    let Some(given) = &table.upstream else { return Vec::new() };
    let entries = given.entries();
    if entries.is_empty() || entries.len() > MOST_UPSTREAMS {
        let message = format!("`upstream` cannot be a list of {}", entries.len());
        let help = format!("name 1 to {MOST_UPSTREAMS} servers");
        report.error_help(given.start(), message, help);
    }
    let mut upstreams: Vec<Upstream> = Vec::with_capacity(entries.len());
    for entry in &entries {
        let upstream = match &entry.value {
            UpstreamEntry::Url(url) => url.clone(),
            UpstreamEntry::Table(table) => {
                let weight = table.weight.as_ref().map_or(1, |given| share(report, given));
                let upstream = table.url.clone().with_weight(weight);
                match &table.host {
                    None => upstream,
                    Some(given) => told_host(report, given, upstream),
                }
            }
        };
        let is_same = |known: &Upstream| (known.host(), known.port()) == (upstream.host(), upstream.port());
        if upstreams.iter().any(is_same) {
            let message = format!("`{upstream}` appears twice");
            report.error_help(entry.start(), message, "name it once, with a `weight` for a larger share");
        }
        if upstreams.first().is_some_and(|first| first.base() != upstream.base()) {
            let message = "the upstreams of a list have different base paths";
            report.error_help(entry.start(), message, "give all of them the same: any may get any request");
        }
        upstreams.push(upstream);
    }
    upstreams
}

fn share(report: &mut Report<'_>, given: &Placed<i64>) -> u32 {
    match u32::try_from(given.value) {
        Ok(weight @ 1..=1000) => weight,
        _ => {
            let message = format!("`weight` cannot be {}", given.value);
            report.error_help(given.start(), message, "give a number from 1 to 1000");
            1
        }
    }
}

fn told_host(report: &mut Report<'_>, given: &Placed<String>, upstream: Upstream) -> Upstream {
    let host = match given.value.as_str() {
        "upstream" => upstream.authority(),
        host => host.to_owned(),
    };
    // A name alone is an authority, and one with a user is none that a request may name.
    if host.parse::<Authority>().is_err() || host.contains('@') {
        let message = format!("`{host}` is not a host");
        let help = "write it as \"api.example.com\", with a port if it has one, or \"upstream\" for the one in the URL";
        report.error_help(given.start(), message, help);
    }
    upstream.with_host(host)
}

fn upstream_ca(report: &mut Report<'_>, given: &Placed<String>) -> PathBuf {
    path(report, given, "write it as \"upstreams.pem\", or leave it out for the system's")
}

/// `[gateway.tls]`, or another table of this kind.
pub(super) fn tls(report: &mut Report<'_>, table: &TlsTable, name: &str) -> TlsSettings {
    let mut file =
        |given, example| path(report, given, &format!("write it as \"{example}\", or leave [{name}] out"));
    TlsSettings {
        certificate: file(&table.certificate, "gateway.pem"),
        key: file(&table.key, "gateway.key"),
        client_ca: table.client_ca.as_ref().map(|given| file(given, "clients.pem")),
    }
}

fn admin(report: &mut Report<'_>, table: &GatewayTable, default: &GatewaySettings) -> SocketAddr {
    let listen = table.listen.as_ref().map_or(default.listen, |listen| listen.value.0);
    let admin = table.admin.as_ref().map_or(default.admin, |admin| admin.value.0);
    let given = table.admin.as_ref().or(table.listen.as_ref());
    if let Some(given) = given.filter(|_| are_one(listen, admin)) {
        let message = if listen == admin {
            "`admin` is the address of `listen`, where everybody can reach it".to_owned()
        } else {
            format!("`listen`, {listen}, and `admin`, {admin}, cannot both have this port")
        };
        let help = match table.admin {
            Some(_) => "give it a port of its own, such as \"127.0.0.1:9090\"",
            None => {
                "give `listen` another port, or `admin`, which is not in the file, such as \"127.0.0.1:9091\""
            }
        };
        report.error_help(given.start(), message, help);
    }
    admin
}

/// Returns `true` if no two sockets can listen on these addresses at once.
pub(super) fn are_one(a: SocketAddr, b: SocketAddr) -> bool {
    // `[::]` takes connections to IPv4 addresses, too.
    let takes_all = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let (one, other) = (a.ip().to_canonical(), b.ip().to_canonical());
    let overlap = one == other || takes_all(one, other) || takes_all(other, one);
    a.port() == b.port() && a.port() != 0 && overlap
}

pub(super) fn token(report: &mut Report<'_>, given: &Placed<Hidden>) -> Hidden {
    let token = given.value.reveal();
    let help = "give at least 16 letters and digits, such as what `openssl rand -hex 16` prints";
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        report.error_help(given.start(), "a header cannot carry this token", help);
    } else if token.len() < SHORTEST_TOKEN {
        let message = format!("a token of {} characters can be guessed", token.len());
        report.error_help(given.start(), message, help);
    }
    given.value.clone()
}

fn trusted_proxies(report: &mut Report<'_>, table: &GatewayTable) -> Vec<IpNet> {
    let entries = table.trusted_proxies.as_ref().map(Placed::entries).unwrap_or_default();
    let mut networks = Vec::with_capacity(entries.len());
    for entry in entries {
        let text = entry.value.as_str();
        let network = trusted_proxy(text);
        if network.is_none() {
            let message = format!("`{text}` is neither a network nor an address");
            report.error_help(
                entry.start(),
                message,
                "write it as \"10.0.0.0/8\", \"192.0.2.1\", \"fd00::/8\", or \"unix\" for peers on a Unix socket",
            );
        }
        networks.extend(network);
    }
    networks
}

fn proxy_protocol(report: &mut Report<'_>, table: &GatewayTable) -> bool {
    let Some(given) = &table.proxy_protocol else { return false };
    let proxies = table.trusted_proxies.as_ref().map(Placed::entries).unwrap_or_default();
    if given.value
        && proxies
            .iter()
            .all(|proxy| trusted_proxy(&proxy.value).as_ref().is_some_and(trusted_proxy::is_unix))
    {
        let message = "`proxy_protocol` without `trusted_proxies` closes every connection";
        let help = "name the proxies that send it, as in trusted_proxies = [\"10.0.0.0/8\"]";
        report.error_help(given.start(), message, help);
    }
    given.value
}

fn max_body(report: &mut Report<'_>, table: &GatewayTable, default: u64) -> u64 {
    match &table.max_body {
        None => default,
        Some(given) => {
            let bytes = given.value.0;
            if !(1..=1 << 30).contains(&bytes) {
                let message = format!("`max_body` cannot be {bytes} bytes");
                report.error_help(given.start(), message, "give a size from 1 byte to \"1GiB\"");
            }
            bytes
        }
    }
}

/// The size of a head, of at least so many KiB.
fn head(report: &mut Report<'_>, name: &str, least: u32, given: Option<&Placed<Size>>, default: u32) -> u32 {
    let Some(given) = given else { return default };
    match u32::try_from(given.value.0) {
        Ok(bytes) if (least * 0x400..=0x10_0000).contains(&bytes) => bytes,
        _ => {
            let message = format!("`{name}` cannot be {} bytes", given.value.0);
            report.error_help(given.start(), message, format!("give a size from \"{least}KiB\" to \"1MiB\""));
            default
        }
    }
}

fn connections(report: &mut Report<'_>, name: &str, given: Option<&Placed<i64>>) -> Option<NonZeroUsize> {
    let given = given?;
    let connections = usize::try_from(given.value).ok().and_then(NonZeroUsize::new);
    if connections.is_none() {
        let message = format!("`{name}` cannot be {}", given.value);
        report.error_help(given.start(), message, "give a number of at least 1, or leave it out");
    }
    connections
}

fn threads(report: &mut Report<'_>, table: &GatewayTable) -> Option<NonZeroUsize> {
    let given = table.threads.as_ref()?;
    let threads = usize::try_from(given.value).ok().and_then(NonZeroUsize::new).filter(|it| it.get() <= 1024);
    if threads.is_none() {
        let message = format!("`threads` cannot be {}", given.value);
        report.error_help(
            given.start(),
            message,
            "give a number from 1 to 1024, or leave it out for one per core",
        );
    }
    threads
}

fn number<N: TryFrom<i64> + PartialOrd + Display>(
    report: &mut Report<'_>,
    name: &str,
    given: Option<&Placed<i64>>,
    range: RangeInclusive<N>,
    default: N,
) -> N {
    let Some(given) = given else { return default };
    match N::try_from(given.value) {
        Ok(number) if range.contains(&number) => number,
        _ => {
            let message = format!("`{name}` cannot be {}", given.value);
            let help = format!("give a number from {} to {}", range.start(), range.end());
            report.error_help(given.start(), message, help);
            default
        }
    }
}

pub(super) fn timeout(
    report: &mut Report<'_>,
    given: Option<&Placed<Period>>,
    default: Duration,
) -> Duration {
    let Some(given) = given else { return default };
    if given.value.0.is_zero() {
        report.error_help(
            given.start(),
            "a timeout of no time lets nothing through",
            "give at least \"1ms\"",
        );
    }
    given.value.0
}

const SHORTEST_TOKEN: usize = 16;
/// In one list.
const MOST_UPSTREAMS: usize = 64;
