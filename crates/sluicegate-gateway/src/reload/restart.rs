//! The settings that a reload leaves as they are.

use std::sync::Arc;

use sluicegate_policy::{DecisionsSettings, GatewaySettings, Policy, StoreSettings};

/// Keeps in `next` the settings that cannot change while the gateway runs, and returns the names of those that it would
/// have changed.
///
/// A reload is no restart of the upstream either: a warm-up goes on where it was, and none begins for a server that has
/// been served in full. Where all upstreams are other ones, they begin cold.
pub(crate) fn keep(running: &Policy, next: &mut Policy) -> Vec<&'static str> {
    let mut kept = Vec::new();
    keep_settings! {
        running.gateway => next.gateway, kept: GatewaySettings, "gateway";
        restart { listen, reuse_port, tls, admin, threads, log }
        reload {
            upstreams, rewrite_redirects, upstream_ca, admin_token, trusted_proxies, proxy_protocol,
            forwarded_header, max_body, max_head, max_headers, max_response_head, max_response_headers,
            interim_responses, http2_max_streams, http2_max_resets, max_connections, max_connections_per_ip,
            connect_timeout, retries, health, ejection, slow_start, response_timeout, idle_timeout,
            header_timeout, client_keep_alive, keep_alive, drain_timeout, drain_idle_timeout, log_keys,
        }
    }
    keep_settings! {
        running.store => next.store, kept: StoreSettings, "store";
        restart { url, prefix, keys, secret, timeout, lease, ca, replicas, max_keys, remember_denials, chunks }
        reload { outage }
    }
    keep_decisions(running, next, &mut kept);
    if running.gateway.upstreams.is_empty() && !next.gateway.upstreams.is_empty() {
        // Nothing listens for clients.
        kept.push("gateway.upstream");
        next.gateway.upstreams.clear();
    }
    let was: Vec<_> = running.gateway.upstreams.iter().map(ToString::to_string).collect();
    // One that is ready is enough, so one that was there before is.
    if next.gateway.upstreams.iter().any(|upstream| was.contains(&upstream.to_string())) {
        next.warmup = match (next.warmup.take(), &running.warmup) {
            (Some(next), Some(running)) => Some(Arc::new(next.after(running))),
            (Some(_), None) => {
                kept.push("warmup");
                None
            }
            (None, _) => None,
        };
    }
    kept
}

/// The listener is there, or is not, and keeps its address.
fn keep_decisions(running: &Policy, next: &mut Policy, kept: &mut Vec<&'static str>) {
    match (&running.decisions, &mut next.decisions) {
        (Some(running), Some(next)) => {
            keep_settings! {
                running => next, kept: DecisionsSettings, "decisions";
                restart { listen, resp, tls }
                reload { token, lease, max_permits }
            }
        }
        (None, None) => {}
        (running, next) => {
            kept.push("decisions");
            next.clone_from(running);
        }
    }
}

/// Keeps the settings that take a restart, one by one. A setting that is in neither list does not compile.
macro_rules! keep_settings {
    (
        $running:expr => $next:expr, $kept:ident: $settings:ident, $table:literal;
        restart { $($restart:ident),* $(,)? }
        reload { $($reload:ident),* $(,)? }
    ) => {
        let $settings { $($restart,)* $($reload: _,)* } = &$running;
        $(
            if $restart != &$next.$restart {
                $kept.push(concat!($table, ".", stringify!($restart)));
                $next.$restart.clone_from($restart);
            }
        )*
    };
}
use keep_settings;
