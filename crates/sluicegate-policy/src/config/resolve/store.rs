//! `[store]`, and what its kind asks of limits.

use std::{num::NonZeroU32, ops::RangeInclusive, path::PathBuf, time::Duration};

use sluicegate::{Algorithm, OutageMode, Quota};

use crate::{
    ChunkSettings, Hidden, Scale, StoreKind, StoreSettings, StoreUrl,
    config::{
        diagnostic::did_you_mean,
        file::{ChunksTable, Period, Placed, StoreTable},
        report::Report,
    },
};

use super::path;

pub(super) fn resolve(report: &mut Report<'_>, table: &StoreTable) -> StoreSettings {
    let default = StoreSettings::default();
    let url = table.url.as_ref().and_then(|given| url(report, given)).unwrap_or(default.url);
    StoreSettings {
        prefix: table.prefix.as_ref().map_or(default.prefix, |given| prefix(report, given)),
        keys: table.keys.unwrap_or_default(),
        secret: table.secret.as_ref().map(|given| secret(report, given)),
        timeout: table.timeout.as_ref().map_or(default.timeout, |given| timeout(report, given)),
        lease: table.lease.as_ref().map_or(default.lease, |given| lease(report, given)),
        ca: table.ca.as_ref().map(|given| ca(report, given, &url)),
        outage: table.outage.as_ref().and_then(|word| outage_at(report, word)).unwrap_or(default.outage),
        replicas: table.replicas.as_ref().map_or(default.replicas, |given| replicas(report, given)),
        max_keys: table.max_keys.as_ref().map_or(default.max_keys, |given| max_keys(report, given)),
        remember_denials: table.remember_denials.unwrap_or(default.remember_denials),
        chunks: table.chunks.as_ref().map(|given| chunks(report, given)),
        url,
    }
}

/// Parses the mode of a limit during an outage of the store.
pub(super) fn outage_at(report: &mut Report<'_>, word: &Placed<String>) -> Option<OutageMode> {
    let outage = word.value.parse().ok();
    if outage.is_none() {
        report.error_or(word.start(), format!("unknown word `{}`", word.value.escape_debug()), || {
            let words = OutageMode::ALL.map(OutageMode::as_str);
            did_you_mean(&word.value, words)
                .or_else(|| Some(format!("the words here are {}", words.join(", "))))
        });
    }
    outage
}

/// Returns `true` if this kind of store can keep a quota. Reports it otherwise.
pub(super) fn keeps(report: &mut Report<'_>, kind: StoreKind, quota: &Quota, at: usize) -> bool {
    let most = quota.amount().max(quota.burst_size());
    match kind {
        StoreKind::Memcached if quota.algorithm() == Algorithm::Concurrent => {
            let message = "Memcached keeps no leases, which a concurrent limit needs";
            report.error_help(at, message, "use Redis for this limit");
        }
        StoreKind::Redis if most > MOST_IN_REDIS => {
            let message = format!("Redis counts to {MOST_IN_REDIS}, not to {most}");
            report.error_help(at, message, "give a smaller quota, in a shorter window");
        }
        _ => return true,
    }
    false
}

fn url(report: &mut Report<'_>, given: &Placed<Hidden>) -> Option<StoreUrl> {
    match given.value.reveal().parse::<StoreUrl>() {
        Ok(url) => Some(url),
        Err(error) => {
            report.error_help(given.start(), error.message, error.help);
            None
        }
    }
}

fn prefix(report: &mut Report<'_>, given: &Placed<String>) -> String {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !(1..=64).contains(&given.value.len()) || !given.value.chars().all(is_good) {
        let message = format!("`{}` is not a valid prefix of keys", given.value.escape_debug());
        report.error_help(given.start(), message, "use 1 to 64 letters, digits, `.`, `_` and `-`");
    }
    given.value.clone()
}

fn secret(report: &mut Report<'_>, given: &Placed<Hidden>) -> Hidden {
    let bytes = given.value.reveal().len();
    if bytes < SHORTEST_SECRET {
        let message = format!("a secret of {bytes} bytes can be guessed");
        let help = "give at least 16, such as what `openssl rand -hex 16` prints";
        report.error_help(given.start(), message, help);
    }
    given.value.clone()
}

fn timeout(report: &mut Report<'_>, given: &Placed<Period>) -> Duration {
    let timeout = given.value.0;
    if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
        let message = format!("a decision cannot wait {timeout:?} for the store");
        report.error_help(
            given.start(),
            message,
            "give a duration from \"1ms\" to \"1s\", such as \"100ms\"",
        );
    }
    timeout
}

fn lease(report: &mut Report<'_>, given: &Placed<Period>) -> Duration {
    let lease = given.value.0;
    if lease < SHORTEST_LEASE {
        let message = format!("a lease of {lease:?} ends when the store is slow for a moment");
        report.error_help(given.start(), message, "give at least \"3s\", such as \"30s\"");
    }
    lease
}

fn ca(report: &mut Report<'_>, given: &Placed<String>, url: &StoreUrl) -> PathBuf {
    let file = path(report, given, "write it as \"ca.pem\", or leave `ca` out");
    // With memory, a file that is meant for another store is only tried out. Otherwise somebody believes that what is
    // sent in clear is encrypted.
    if url.kind() != StoreKind::Memory && !url.is_encrypted() {
        let scheme = url.scheme();
        let help = match (url.kind(), scheme.ends_with("+unix")) {
            (StoreKind::Redis, false) => {
                let (name, rest) =
                    scheme.split_once('+').map_or((scheme.as_str(), None), |(a, b)| (a, Some(b)));
                let rest = rest.map(|rest| format!("+{rest}")).unwrap_or_default();
                format!("write the store's url with {name}s{rest}://, or leave `ca` out")
            }
            _ => "leave `ca` out".to_owned(),
        };
        report.error_help(given.start(), format!("roots for TLS, and {scheme}:// has none"), help);
    }
    file
}

fn chunks(report: &mut Report<'_>, table: &ChunksTable) -> ChunkSettings {
    let mut chunks = ChunkSettings::default();
    if let Some(given) = &table.share {
        match Scale::of(given.value.0).filter(|_| SHARES.contains(&given.value.0)) {
            Some(share) => chunks.share = share,
            None => {
                let message = format!("an instance cannot hold {} of a quota", given.value.0);
                report.error_help(given.start(), message, "give a number from 0.001 to 0.5, such as 0.1");
            }
        }
    }
    if let Some(given) = &table.life {
        chunks.life = given.value.0;
        if !CHUNK_LIVES.contains(&chunks.life) {
            let message = format!("a chunk cannot last {:?}", chunks.life);
            let help = "give a duration from \"100ms\" to \"60s\", such as \"1s\"";
            report.error_help(given.start(), message, help);
        }
    }
    chunks
}

fn replicas(report: &mut Report<'_>, given: &Placed<i64>) -> NonZeroU32 {
    let replicas = u32::try_from(given.value).ok().and_then(NonZeroU32::new);
    let replicas = replicas.filter(|replicas| replicas.get() <= MOST_REPLICAS);
    if replicas.is_none() {
        let message = format!("`replicas` cannot be {}", given.value);
        report.error_help(
            given.start(),
            message,
            "give the number of instances that share the store, from 1 to 1000000",
        );
    }
    replicas.unwrap_or(NonZeroU32::MIN)
}

fn max_keys(report: &mut Report<'_>, given: &Placed<i64>) -> usize {
    match usize::try_from(given.value) {
        Ok(keys @ 1..=MOST_KEYS) => keys,
        _ => {
            let message = format!("`max_keys` cannot be {}", given.value);
            report.error_help(given.start(), message, "give a number from 1 to 1000000000");
            1
        }
    }
}

const SHORTEST_SECRET: usize = 16;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(1);
const SHORTEST_LEASE: Duration = Duration::from_secs(3);
const SHARES: RangeInclusive<f64> = 0.001..=0.5;
const CHUNK_LIVES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const MOST_REPLICAS: u32 = 1_000_000;
const MOST_KEYS: usize = 1_000_000_000;
/// The integers that Redis' scripts, whose numbers are doubles, count exactly.
const MOST_IN_REDIS: u64 = (1 << 53) - 1;
