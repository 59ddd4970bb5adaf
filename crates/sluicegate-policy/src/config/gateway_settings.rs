//! The gateway's own settings, resolved.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicegate::Key;

use crate::{ForwardedHeader, Hidden, KeyHasher, Upstream};

/// The gateway's own settings, each either the file's or its default.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// The address for clients.
    pub listen: SocketAddr,
    /// Lets another gateway listen on the same port.
    pub reuse_port: bool,
    /// Clients connect by TLS, if given.
    pub tls: Option<TlsSettings>,
    /// The protected servers, all with the same purpose and the same base path. The gateway cannot start without one;
    /// the Python package needs none.
    pub upstreams: Vec<Upstream>,
    /// Maps redirects and cookies in which an upstream names itself to what its clients see.
    pub rewrite_redirects: bool,
    /// Root certificates of upstreams that are spoken to by TLS; the system's if not given.
    pub upstream_ca: Option<PathBuf>,
    /// Health, metrics, accounts and reloads.
    pub admin: SocketAddr,
    /// The token that the admin port requires to show or change accounts or the policy. Without it, only this
    /// machine has access.
    pub admin_token: Option<Hidden>,
    /// The proxies whose forwarding header is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Set if every connection begins with a PROXY protocol header, from a trusted proxy.
    pub proxy_protocol: bool,
    /// The only forwarding header that is read.
    pub forwarded_header: ForwardedHeader,
    /// The largest body that is read to find a cost or a key, in bytes.
    pub max_body: u64,
    /// The largest head of a request, in bytes.
    pub max_head: u32,
    /// The most fields that it may have.
    pub max_headers: usize,
    /// The largest head of an upstream's response, in bytes.
    pub max_response_head: u32,
    /// The most fields that it may have.
    pub max_response_headers: usize,
    /// Passes interim responses (1xx) of an upstream on to clients of HTTP/1.1 and HTTP/2.
    pub interim_responses: bool,
    /// Maximum concurrent HTTP/2 streams per connection.
    pub http2_max_streams: u32,
    /// Maximum streams that a client may give up within ten seconds.
    pub http2_max_resets: usize,
    /// Maximum client connections; by default limited by open files.
    pub max_connections: Option<NonZeroUsize>,
    /// Maximum client connections from one address that is not a trusted proxy; unlimited by default.
    pub max_connections_per_ip: Option<NonZeroUsize>,
    /// The number of threads that serve; one per core by default.
    pub threads: Option<NonZeroUsize>,
    /// For connecting to the upstream.
    pub connect_timeout: Duration,
    /// The number of other upstreams to try if one cannot be connected to.
    pub retries: usize,
    /// Health checks of upstreams, if there are any.
    pub health: Option<HealthSettings>,
    /// Ejection of upstreams after failed requests.
    pub ejection: EjectionSettings,
    /// Over how long an upstream that was down gets back its share; may be zero.
    pub slow_start: Duration,
    /// From the whole request to the head of the upstream's response.
    pub response_timeout: Duration,
    /// Without a byte moving while a body streams.
    pub idle_timeout: Duration,
    /// For a client's request head.
    pub header_timeout: Duration,
    /// For a client's next request.
    pub client_keep_alive: Duration,
    /// The time that an idle connection to the upstream is kept.
    pub keep_alive: Duration,
    /// For running requests to end after SIGTERM; may be zero.
    pub drain_timeout: Duration,
    /// For one more request of a client after SIGTERM; at most half of that, and may be zero.
    pub drain_idle_timeout: Duration,
    /// Format of logs.
    pub log: LogFormat,
    /// The form of a denied request's account in the log.
    pub log_keys: LogKeys,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            reuse_port: false,
            tls: None,
            upstreams: Vec::new(),
            rewrite_redirects: true,
            upstream_ca: None,
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
            admin_token: None,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            forwarded_header: ForwardedHeader::default(),
            max_body: 1 << 20,
            max_head: 32 * 1024,
            max_headers: 100,
            max_response_head: 64 * 1024,
            max_response_headers: 1000,
            interim_responses: true,
            http2_max_streams: 100,
            http2_max_resets: 500,
            max_connections: None,
            max_connections_per_ip: None,
            threads: None,
            connect_timeout: Duration::from_secs(5),
            retries: 2,
            health: None,
            ejection: EjectionSettings::default(),
            slow_start: Duration::from_secs(30),
            response_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(300),
            header_timeout: Duration::from_secs(30),
            client_keep_alive: Duration::from_secs(75),
            keep_alive: Duration::from_secs(4),
            drain_timeout: Duration::from_secs(30),
            drain_idle_timeout: Duration::from_secs(1),
            log: LogFormat::default(),
            log_keys: LogKeys::default(),
        }
    }
}

/// Health checks of upstreams.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthSettings {
    /// The path that is asked.
    pub path: String,
    /// From one question to the next.
    pub interval: Duration,
    /// Maximum time of a response.
    pub timeout: Duration,
    /// Good answers in a row that bring an upstream back.
    pub healthy: NonZeroU32,
    /// Bad answers in a row that put an upstream down.
    pub unhealthy: NonZeroU32,
}

impl HealthSettings {
    /// Asks `path`, and the rest by default.
    #[must_use]
    pub const fn new(path: String) -> Self {
        Self {
            path,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy: NonZeroU32::MIN.saturating_add(1),
            unhealthy: NonZeroU32::MIN.saturating_add(2),
        }
    }
}

/// Ejection of upstreams after failed requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EjectionSettings {
    /// Failures in a row; none for never.
    pub failures: Option<NonZeroU32>,
    /// The first time; each failed trial doubles it.
    pub time: Duration,
    /// The maximum time.
    pub max_time: Duration,
    /// Counts the responses 502, 503 and 504 as failures, too.
    pub answers: bool,
}

impl Default for EjectionSettings {
    fn default() -> Self {
        Self {
            failures: NonZeroU32::new(5),
            time: Duration::from_secs(5),
            max_time: Duration::from_secs(60),
            answers: false,
        }
    }
}

/// The files of TLS with clients, in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsSettings {
    /// The gateway's certificate, and after it those between it and the root.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The roots of clients' certificates. With it, clients must show one.
    pub client_ca: Option<PathBuf>,
}

/// Format of logs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    #[default]
    Json,
    /// Colours and columns, for people.
    Pretty,
}

/// The form of a denied request's account in the log.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogKeys {
    /// As a hash: the same caller is recognised, and no address is kept.
    #[default]
    Hashed,
    /// As it is.
    Plain,
}

impl LogKeys {
    /// An account's key, as logs may write it. Hashes are the same for as long as the hasher is.
    #[must_use]
    pub fn written(self, key: &Key, hasher: &KeyHasher) -> String {
        match self {
            Self::Hashed => format!("{:016x}", hasher.hash(key.as_bytes())),
            Self::Plain => key.as_str().to_owned(),
        }
    }
}
