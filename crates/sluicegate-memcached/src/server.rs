//! One Memcached.

use std::fmt;

use sluicegate::StoreError;

use crate::servers::wrong;

/// The address of one Memcached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Server {
    /// A name or an address, without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Server {
    /// Reads `HOST[:PORT]`; an IPv6 address stands in brackets, because it has colons of its own.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (
                host,
                Some(rest.strip_prefix(':').ok_or_else(|| wrong("a `]` is followed by a port or nothing"))?),
            ),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = match port.map(str::parse) {
            None => PORT,
            Some(Ok(port)) if port > 0 => port,
            _ => {
                return Err(wrong(
                    "a port is a number from 1 to 65535, and an IPv6 address stands in brackets",
                ));
            }
        };
        let host_is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(host_is_good) {
            Err(wrong("it names no host, or one with characters that no host has"))
        } else {
            Ok(Self { host: host.to_ascii_lowercase(), port })
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

const PORT: u16 = 11_211;
