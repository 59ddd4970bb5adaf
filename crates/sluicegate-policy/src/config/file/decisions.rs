//! `[decisions]`: the address at which other proxies ask for decisions.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Period, Placed, TlsTable};
use crate::Hidden;

/// `[decisions]`: answers other proxies, such as nginx, Envoy, Caddy and Traefik, and programs, which ask whether a request may
/// pass. Off without it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Decisions")]
pub struct DecisionsTable {
    /// Address for proxies. Port 0 takes any free port.
    pub listen: Placed<Address>,
    /// Address for clients that speak the Redis protocol (RESP), for `CL.THROTTLE` and `THROTTLE`. Port 0 takes any free port.
    pub resp: Option<Placed<Address>>,
    /// Token that a proxy must send in the header `Sluicegate-Token`, and a client of `resp` as its password: at least 16
    /// visible ASCII characters. Without a token, `listen` and `resp` must be loopback addresses, or `tls` have a `client_ca`.
    #[schemars(length(min = 16))]
    pub token: Option<Placed<Hidden>>,
    /// Callers connect by TLS. Without this they connect in clear.
    pub tls: Option<TlsTable>,
    /// Time for which a permit of `/take` is held, unless the call says otherwise. At most a day.
    #[schemars(extend("default" = "60s"))]
    pub lease: Option<Placed<Period>>,
    /// Maximum permits held at a time, 1 to 10000000; more are answered with 503.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 100_000))]
    pub max_permits: Option<Placed<i64>>,
}
