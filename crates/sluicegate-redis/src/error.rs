//! Errors of Redis, and remedies.

use std::{error::Error, io, sync::Arc};

use redis::{ErrorKind, RedisError, ServerErrorKind};
use sluicegate::StoreError;

use crate::address::ServerInfo;

/// Explains an error of Redis to its operator. If there `was_a_connection` before, the settings are right, so the message
/// does not speak of them.
pub(crate) fn explained(error: &RedisError, server_info: &ServerInfo, was_a_connection: bool) -> StoreError {
    let at = format!("Redis at {}", server_info.name);
    let says = error.detail().unwrap_or_default();
    let person = |message: String| StoreError::misconfigured(message).because(error.clone());
    let nobody = |message: String| StoreError::new(message).because(error.clone());
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => person(format!(
            "{at} does not accept the username and password of store.url; correct them (a `/`, `@`, `:` or `%` in a \
             password is percent-encoded)"
        )),
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => person(format!(
            "{at} does not let this user do what a limiter does ({says}); allow it the keys of store.prefix and the \
             commands EVAL, EVALSHA, MGET, PSETEX, SETRANGE, DEL, EXISTS, PEXPIREAT, TIME and those of sorted sets, and SCAN and \
             UNLINK to forget all accounts"
        )),
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => person(format!(
            "{at} is a read-only replica; give the primary's address in store.url, or redis+sentinel:// or \
             redis+cluster://, which find it"
        )),
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => {
            nobody(format!("{at} is still loading its data"))
        }
        (ErrorKind::Server(ServerErrorKind::CrossSlot | ServerErrorKind::Moved), _)
            if !server_info.cluster =>
        {
            person(format!("{at} is part of a cluster; write redis+cluster:// for redis:// in store.url"))
        }
        (_, Some("OOM")) => nobody(format!(
            "{at} is full and accepts no writes; raise its maxmemory (and keep maxmemory-policy noeviction)"
        )),
        (ErrorKind::MasterNameNotFoundBySentinel, _) => {
            person(format!("{at} is unknown: the sentinels know no primary of this name"))
        }
        (ErrorKind::RESP3NotSupported | ErrorKind::InvalidClientConfig, _) => {
            person(format!("{at}: {error}"))
        }
        (ErrorKind::Parse, _) => person(format!(
            "what answers at {at} does not speak the Redis protocol; check host, port and TLS in store.url"
        )),
        (ErrorKind::Io, _) if is_tls(error) => person(format!(
            "no TLS with {at}: {}; check that the port is the one for TLS (rediss://), and that its certificate is \
             for this host and signed by an authority of the system or of store.ca",
            innermost(error)
        )),
        (ErrorKind::Io, _) if error.is_timeout() => {
            let hint = if server_info.tls && !was_a_connection {
                "; if it speaks no TLS, write redis:// for rediss:// in store.url"
            } else {
                ""
            };
            nobody(format!("{at} does not answer in time{hint}"))
        }
        (ErrorKind::Io, _) if was_a_connection && is_end(error) => {
            nobody(format!("no connection to {at}: it was closed; was the server restarted?"))
        }
        (ErrorKind::Io, _) => {
            // So ends a server that awaits TLS, but any other may have to.
            let hint = if is_end(error) && !was_a_connection && !server_info.tls {
                "; if it speaks TLS, write rediss:// for redis:// in store.url"
            } else {
                ""
            };
            nobody(format!("no connection to {at}: {}{hint}", innermost(error)))
        }
        (_, Some("ERR")) if NO_DATABASE.iter().any(|text| says.contains(text)) => {
            let hint = if server_info.cluster {
                "; in a cluster only Valkey 9 and later has others than 0, as many as its cluster-databases says"
            } else {
                "; raise its databases, or write another number"
            };
            person(format!("{at} has no database {}, which store.url names ({says}){hint}", server_info.db))
        }
        (_, Some("ERR")) if says.contains("cluster support disabled") => {
            person(format!("{at} is not a cluster; write redis:// for redis+cluster:// in store.url"))
        }
        (ErrorKind::Server(ServerErrorKind::ClusterDown), _) => {
            nobody(format!("{at} cannot serve its slots now, because the cluster is down: {says}"))
        }
        (_, Some("ERR")) if says.contains("unknown command") => person(format!(
            "{at} does not know a command that a limiter needs ({says}); use Redis 6.2 or later, or Valkey"
        )),
        (_, Some(code)) => nobody(format!("{at} answered {code}: {says}")),
        _ => nobody(format!("{at}: {error}")),
    }
}

/// Returns `true` if there was a connection, and it ended.
fn is_end(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
}

/// Returns `true` if this connection, or this server, can take no more commands.
pub(crate) fn ends_connection(error: &RedisError) -> bool {
    let demoted = matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading
        )
    );
    demoted || error.is_unrecoverable_error() || error.is_timeout() || error.is_io_error()
}

/// Returns `true` if TLS failed, and not the network below it.
fn is_tls(error: &RedisError) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<rustls::Error>() {
            return true;
        }
        // Neither the client's shared errors nor those of I/O say by `source` what they hold.
        let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>().map(|shared| &**shared as _);
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|held| held as _);
        source = shared.or(held).or_else(|| error.source());
    }
    false
}

fn innermost(error: &RedisError) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Answers of servers to the number of a database that they lack.
const NO_DATABASE: [&str; 2] = ["DB index is out of range", "SELECT is not allowed in cluster mode"];
