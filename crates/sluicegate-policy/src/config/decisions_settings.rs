//! The settings of the decision server, resolved.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use crate::{Hidden, TlsSettings};

/// The settings of the decision server, which other proxies ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DecisionsSettings {
    /// The address for proxies.
    pub listen: SocketAddr,
    /// The address for clients that speak the Redis protocol, if any do.
    pub resp: Option<SocketAddr>,
    /// The token that a caller must send, if there is one.
    pub token: Option<Hidden>,
    /// Callers connect by TLS, if given.
    pub tls: Option<TlsSettings>,
    /// The time for which a permit of `/take` is held, unless the call says otherwise.
    pub lease: Duration,
    /// The most permits that are held at a time.
    pub max_permits: NonZeroUsize,
}

impl DecisionsSettings {
    /// The longest time for which a permit is held.
    pub const LONGEST_LEASE: Duration = Duration::from_secs(86_400);
}
