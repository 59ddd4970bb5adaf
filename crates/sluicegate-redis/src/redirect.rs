//! Redirections by the nodes of a cluster.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::address::Node;

/// The way on for a call that a server certainly has not done.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Redirect {
    /// The slot has another owner.
    Moved(Node),
    /// The slot is migrating to this node, and the account is there or nowhere.
    Ask(Node),
    /// The accounts of a batch are on both sides of a slot's way.
    Split,
    /// The server will be able to, or another.
    Wait,
}

impl Redirect {
    /// Reads the way on from an error of the server at this address, if it has done nothing.
    pub(crate) fn of(error: &RedisError, host: &str) -> Option<Self> {
        let ErrorKind::Server(kind) = error.kind() else { return None };
        match kind {
            ServerErrorKind::Moved => Some(Self::Moved(node(error, host)?)),
            ServerErrorKind::Ask => Some(Self::Ask(node(error, host)?)),
            ServerErrorKind::TryAgain => Some(Self::Split),
            ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly => Some(Self::Wait),
            _ => None,
        }
    }
}

fn node(error: &RedisError, host: &str) -> Option<Node> {
    let (address, _) = error.redirect_node()?;
    // The last colon: IPv6 has no brackets here. Without a host, the redirecting server's own host is meant.
    let (told, port) = address.rsplit_once(':')?;
    let told = told.trim_start_matches('[').trim_end_matches(']');
    let host = if matches!(told, "" | "?") { host } else { told };
    Some(Node { host: host.to_owned(), port: port.parse().ok()? })
}
