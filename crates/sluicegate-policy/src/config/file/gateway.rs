//! `[gateway]`: where the gateway listens, what it protects, and how long it waits.

use std::{borrow::Cow, net::SocketAddr, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::{EjectionTable, HealthTable, OneOrMany, Period, Placed, Size, TlsTable, UpstreamEntry, text};
use crate::{ForwardedHeader, Hidden, LogFormat, LogKeys};

/// `[gateway]`: the gateway's own settings. The Python package reads only `trusted_proxies`, `forwarded_header` and
/// `max_body` from it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Gateway")]
pub struct GatewayTable {
    /// Address for clients. Port 0 takes any free port.
    #[schemars(extend("default" = "0.0.0.0:8080"))]
    pub listen: Option<Placed<Address>>,
    /// Lets another gateway with this setting listen on the same port, as in a rolling restart.
    #[schemars(extend("default" = false))]
    pub reuse_port: Option<bool>,
    /// Clients connect by TLS. Without this they connect in clear.
    pub tls: Option<TlsTable>,
    /// The server that is protected: `http://host:port`, with a base path if it has one. Or a list of up to 64 that do
    /// the same, over which requests are spread by `weight`.
    pub upstream: Option<Placed<OneOrMany<UpstreamEntry>>>,
    /// Maps redirects, links and cookies of an upstream that is told a `host`, or is below a base path, to what
    /// its clients see.
    #[schemars(extend("default" = true))]
    pub rewrite_redirects: Option<bool>,
    /// A file of root certificates, in PEM and relative to the policy file, which sign those of `https` upstreams. Default: the
    /// system's.
    pub upstream_ca: Option<Placed<String>>,
    /// Health, metrics, accounts and reloads: never on the public port.
    #[schemars(extend("default" = "127.0.0.1:9090"))]
    pub admin: Option<Placed<Address>>,
    /// Bearer token that the admin port requires for accounts, the policy and reloads, at least 16 visible
    /// ASCII characters. Without a token, only this machine has access, and `admin` must be a loopback
    /// address.
    #[schemars(length(min = 16))]
    pub admin_token: Option<Placed<Hidden>>,
    /// Proxies, as addresses or networks, whose forwarding header is believed; `unix` for peers on a Unix socket, which the
    /// gateway has none of. Empty: nobody's.
    pub trusted_proxies: Option<Placed<OneOrMany<String>>>,
    /// Every connection begins with a header of the PROXY protocol, version 1 or 2, in which a trusted proxy names the client.
    /// Connections of others, and without it, are closed.
    #[schemars(extend("default" = false))]
    pub proxy_protocol: Option<Placed<bool>>,
    /// The header in which trusted proxies name the client. Only this one is read.
    #[schemars(extend("default" = "x-forwarded-for"))]
    pub forwarded_header: Option<ForwardedHeader>,
    /// The largest body that is read to find a cost or a key, 1 byte to 1 GiB; above it: 413.
    #[schemars(extend("default" = "1MiB"))]
    pub max_body: Option<Placed<Size>>,
    /// The largest head of a request, `"1KiB"` to `"1MiB"`; above it: 431.
    #[schemars(extend("default" = "32KiB"))]
    pub max_head: Option<Placed<Size>>,
    /// The most header fields of a request, 1 to 1000; above it: 431.
    #[schemars(range(min = 1, max = 1000), extend("default" = 100))]
    pub max_headers: Option<Placed<i64>>,
    /// The largest head of an upstream's response, `"8KiB"` to `"1MiB"`; above it: 502.
    #[schemars(extend("default" = "64KiB"))]
    pub max_response_head: Option<Placed<Size>>,
    /// The most header fields of an upstream's response, 100 to 10000; above it: 502.
    #[schemars(range(min = 100, max = 10_000), extend("default" = 1000))]
    pub max_response_headers: Option<Placed<i64>>,
    /// Passes interim responses of an upstream, such as 103 Early Hints, on to clients of HTTP/1.1 and HTTP/2.
    #[schemars(extend("default" = true))]
    pub interim_responses: Option<bool>,
    /// Maximum concurrent HTTP/2 streams per connection, 1 to 10000. Excess streams are refused with
    /// REFUSED_STREAM, so clients may retry them.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 100))]
    pub http2_max_streams: Option<Placed<i64>>,
    /// Maximum HTTP/2 requests that a client may give up per connection within 10 seconds, 1 to 1000000; then
    /// the connection is closed.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 500))]
    pub http2_max_resets: Option<Placed<i64>>,
    /// Maximum client connections; excess ones are closed at once. The default depends on the limit of open
    /// files.
    #[schemars(range(min = 1))]
    pub max_connections: Option<Placed<i64>>,
    /// Maximum client connections from one address; excess ones are closed at once. Trusted proxies are
    /// exempt. Unlimited by default.
    #[schemars(range(min = 1))]
    pub max_connections_per_ip: Option<Placed<i64>>,
    /// Number of threads that serve requests, 1 to 1024. The default is one per core.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<Placed<i64>>,
    /// Maximum time to connect to the upstream; then: 504.
    #[schemars(extend("default" = "5s"))]
    pub connect_timeout: Option<Placed<Period>>,
    /// Maximum number of other upstreams to try if one cannot be connected to, 0 to 10, all within
    /// `connect_timeout`. A request that an upstream may have seen is never sent again.
    #[schemars(range(min = 0, max = 10), extend("default" = 2))]
    pub retries: Option<Placed<i64>>,
    /// Asks every upstream again and again whether it is well.
    pub health: Option<HealthTable>,
    /// Puts an upstream of a list out for a while when requests to it fail.
    pub ejection: EjectionTable,
    /// Over how long an upstream gets back its share of the requests after its health checks saw it down. 0: at once.
    #[schemars(extend("default" = "30s"))]
    pub slow_start: Option<Period>,
    /// Maximum time from the whole request to the head of the upstream's response; then: 504.
    #[schemars(extend("default" = "300s"))]
    pub response_timeout: Option<Placed<Period>>,
    /// Maximum time without a byte moving in a streaming body.
    #[schemars(extend("default" = "300s"))]
    pub idle_timeout: Option<Placed<Period>>,
    /// Maximum time for the head of a client's request.
    #[schemars(extend("default" = "30s"))]
    pub header_timeout: Option<Placed<Period>>,
    /// Maximum time between two requests on a client's connection.
    #[schemars(extend("default" = "75s"))]
    pub client_keep_alive: Option<Placed<Period>>,
    /// Time that an idle connection to the upstream is kept. Keep it below the upstream's own timeout, which
    /// is 5 s for uvicorn and Node.
    #[schemars(extend("default" = "4s"))]
    pub keep_alive: Option<Placed<Period>>,
    /// Maximum time for running requests to end after SIGTERM.
    #[schemars(extend("default" = "30s"))]
    pub drain_timeout: Option<Placed<Period>>,
    /// Time that an idle client connection is kept after SIGTERM, at most half of `drain_timeout`. It may
    /// send one last request. 0 closes it at once.
    #[schemars(extend("default" = "1s"))]
    pub drain_idle_timeout: Option<Period>,
    /// Format of logs.
    #[schemars(extend("default" = "json"))]
    pub log: Option<LogFormat>,
    /// Form of a denied request's account in the log.
    #[schemars(extend("default" = "hashed"))]
    pub log_keys: Option<LogKeys>,
}

/// An address and a port: `"0.0.0.0:8080"`, `"[::1]:8080"`.
#[derive(Clone, Copy, Debug)]
pub struct Address(pub SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!(
                "`{text}` is not an address and a port\nwrite it as \"0.0.0.0:8080\", \"127.0.0.1:8080\" or \"[::]:8080\""
            )
        })
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parsed(deserializer, "an address and a port such as \"0.0.0.0:8080\"")
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An address and a port: \"0.0.0.0:8080\", \"[::1]:8080\".",
        })
    }
}
