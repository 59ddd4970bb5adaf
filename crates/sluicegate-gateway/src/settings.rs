//! Stand-in for the settings of the policy file.
#![expect(missing_docs, reason = "the policy crate documents them")]

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;

#[derive(Clone, Debug)]
pub struct GatewaySettings {
    pub listen: SocketAddr,
    pub upstream: Option<Upstream>,
    pub admin: SocketAddr,
    pub trusted_proxies: Vec<IpNet>,
    pub forwarded_header: ForwardedHeader,
    pub max_body: u64,
    pub threads: Option<NonZeroUsize>,
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
    pub idle_timeout: Duration,
    pub header_timeout: Duration,
    pub keep_alive: Duration,
    pub drain_timeout: Duration,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        GatewaySettings {
            listen: (Ipv4Addr::UNSPECIFIED, 8080).into(),
            upstream: None,
            admin: (Ipv4Addr::LOCALHOST, 9090).into(),
            trusted_proxies: vec![],
            forwarded_header: ForwardedHeader::XForwardedFor,
            max_body: 1 << 20,
            threads: None,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(300),
            header_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(4),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    XForwardedFor,
    Forwarded,
}

#[derive(Clone, Debug)]
pub struct Upstream {
    host: String,
    port: u16,
    base: String,
}

impl std::str::FromStr for Upstream {
    type Err = http::uri::InvalidUri;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: http::Uri = text.parse()?;
        Ok(Upstream {
            host: uri.host().unwrap_or("localhost").to_owned(),
            port: uri.port_u16().unwrap_or(80),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl Upstream {
    pub fn host(&self) -> &str {
        &self.host
    }
    pub fn port(&self) -> u16 {
        self.port
    }
    pub fn base(&self) -> &str {
        &self.base
    }
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
