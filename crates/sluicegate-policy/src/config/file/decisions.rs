//! `[decisions]`: the address at which other proxies ask for decisions.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Placed, TlsTable};
use crate::Hidden;

/// `[decisions]`: answers other proxies, such as nginx, Envoy, Caddy and Traefik, which ask whether a request may pass. Off
/// without it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Decisions")]
pub struct DecisionsTable {
    /// Address for proxies. Port 0 takes any free port.
    pub listen: Placed<Address>,
    /// Token that a proxy must send in the header `Sluicegate-Token`, at least 16 visible ASCII characters. Without a token,
    /// `listen` must be a loopback address, or `tls` have a `client_ca`.
    #[schemars(length(min = 16))]
    pub token: Option<Placed<Hidden>>,
    /// Proxies connect by TLS. Without this they connect in clear.
    pub tls: Option<TlsTable>,
}
