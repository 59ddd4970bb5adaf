//! The settings of the decision server, resolved.

use std::net::SocketAddr;

use crate::{Hidden, TlsSettings};

/// The settings of the decision server, which other proxies ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DecisionsSettings {
    /// The address for proxies.
    pub listen: SocketAddr,
    /// The token that a proxy must send, if there is one.
    pub token: Option<Hidden>,
    /// Proxies connect by TLS, if given.
    pub tls: Option<TlsSettings>,
}
