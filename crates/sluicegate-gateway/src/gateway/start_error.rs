//! The reason that a gateway did not start.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use sluicegate::StoreError;
use sluicegate_policy::ApiKeysError;

use crate::{io::tls::TlsError, telemetry::TelemetryError};

/// The reason that the gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The policy names no upstream, and has no decision server.
    NoUpstream,
    /// The policy has routes for descriptors, and this build has no gRPC.
    NoGrpc,
    /// The address for clients, or of the decision server, cannot be bound.
    Listen(SocketAddr, io::Error),
    /// The admin address cannot be bound.
    Admin(SocketAddr, io::Error),
    /// The file of API keys cannot be read.
    ApiKeys(ApiKeysError),
    /// A file of `[gateway.tls]` cannot be used.
    Tls(TlsError),
    /// The store cannot be used as the policy says, and a person must mend it.
    Store(StoreError),
    /// The traces and metrics cannot be sent.
    Telemetry(TelemetryError),
    /// The decision log cannot be written to this file.
    DecisionLog(PathBuf, io::Error),
    /// No thread or event queue to serve with.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUpstream => {
                write!(
                    f,
                    "nothing to serve: set `upstream` under [gateway], give --upstream http://HOST:PORT, or have a [decisions] table"
                )
            }
            Self::NoGrpc => f.write_str(
                "this build answers no gRPC: leave out routes with a `descriptor`, or build with the feature `grpc`",
            ),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Admin(address, error) => write!(f, "cannot listen on {address} for admin: {error}"),
            Self::ApiKeys(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Telemetry(error) => error.fmt(f),
            Self::Store(error) => write!(f, "the store cannot be used: {error}"),
            Self::DecisionLog(path, error) => decision_log_error(f, path, error),
            Self::Thread(error) => write!(f, "cannot start a worker: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoUpstream | Self::NoGrpc | Self::Tls(_) | Self::Telemetry(_) => None,
            Self::ApiKeys(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::Listen(_, error)
            | Self::Admin(_, error)
            | Self::DecisionLog(_, error)
            | Self::Thread(error) => Some(error),
        }
    }
}

/// Says why the decision log cannot be written, and what to do.
pub(crate) fn decision_log_error(f: &mut fmt::Formatter<'_>, path: &Path, error: &io::Error) -> fmt::Result {
    let path = path.display();
    write!(f, "cannot write the decision log {path}: {error}; give another `path` under [decision_log]")
}
