//! Settings that a reload leaves as they are.

use std::sync::Arc;

use sluicegate_policy::Policy;

/// Keeps in `next` what cannot change while the gateway runs, and names those settings that it would have changed.
///
/// A reload is no restart of the upstream either: a warm-up goes on where it was, and none begins for a server that has
/// been served in full. Where all upstreams are other ones, they begin cold.
pub(crate) fn keep(running: &Policy, next: &mut Policy) -> Vec<&'static str> {
    let mut kept = Vec::new();
    let (was, is) = (&running.gateway, &mut next.gateway);
    keep_one(&mut kept, "gateway.listen", &was.listen, &mut is.listen);
    keep_one(&mut kept, "gateway.reuse_port", &was.reuse_port, &mut is.reuse_port);
    keep_one(&mut kept, "gateway.tls", &was.tls, &mut is.tls);
    keep_one(&mut kept, "gateway.admin", &was.admin, &mut is.admin);
    keep_one(&mut kept, "gateway.threads", &was.threads, &mut is.threads);
    keep_one(&mut kept, "gateway.log", &was.log, &mut is.log);
    let (was, is) = (&running.store, &mut next.store);
    keep_one(&mut kept, "store.url", &was.url, &mut is.url);
    keep_one(&mut kept, "store.prefix", &was.prefix, &mut is.prefix);
    keep_one(&mut kept, "store.keys", &was.keys, &mut is.keys);
    keep_one(&mut kept, "store.secret", &was.secret, &mut is.secret);
    keep_one(&mut kept, "store.timeout", &was.timeout, &mut is.timeout);
    keep_one(&mut kept, "store.lease", &was.lease, &mut is.lease);
    keep_one(&mut kept, "store.ca", &was.ca, &mut is.ca);
    keep_one(&mut kept, "store.replicas", &was.replicas, &mut is.replicas);
    keep_one(&mut kept, "store.max_keys", &was.max_keys, &mut is.max_keys);
    keep_one(&mut kept, "store.remember_denials", &was.remember_denials, &mut is.remember_denials);
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

fn keep_one<T: Clone + PartialEq>(kept: &mut Vec<&'static str>, name: &'static str, was: &T, is: &mut T) {
    if was != is {
        kept.push(name);
        is.clone_from(was);
    }
}
