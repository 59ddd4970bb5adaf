//! `ClientIp`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use pyo3::prelude::*;
use sluicegate_policy::{ForwardedHeader, account_ip};

use crate::errors::{PolicyError, policy_error};

/// Finds the address of a client behind proxies.
#[pyclass(frozen, module = "sluicegate")]
pub(crate) struct ClientIp {
    client_ip: sluicegate_policy::ClientIp,
    header: ForwardedHeader,
    ipv6_prefix: u8,
}

#[pymethods]
impl ClientIp {
    #[new]
    #[pyo3(signature = (trusted_proxies = Vec::new(), *, header = "x-forwarded-for", ipv6_prefix = 64))]
    fn new(trusted_proxies: Vec<String>, header: &str, ipv6_prefix: u8) -> PyResult<Self> {
        let network = |text: String| {
            let address = text.parse::<IpAddr>().map(ipnet::IpNet::from);
            address.or_else(|_| text.parse()).map_err(|_| {
                PolicyError::new_err(format!("`{text}` is no address and no network, such as 10.0.0.0/8"))
            })
        };
        let trusted = trusted_proxies.into_iter().map(network).collect::<PyResult<_>>()?;
        let header = header.parse().map_err(|error| policy_error(&error))?;
        if ipv6_prefix > 128 {
            return Err(PolicyError::new_err(format!("an IPv6 address has 128 bits, not {ipv6_prefix}")));
        }
        Ok(Self { client_ip: sluicegate_policy::ClientIp::new(trusted, header), header, ipv6_prefix })
    }

    fn of(&self, peer: String, lines: Vec<String>) -> String {
        let Ok(address) = peer.parse() else { return peer };
        let mut headers = HeaderMap::with_capacity(lines.len());
        for line in lines.iter().filter_map(|line| HeaderValue::from_bytes(line.as_bytes()).ok()) {
            headers.append(self.header.name(), line);
        }
        account_ip(self.client_ip.of(&headers, address), self.ipv6_prefix).to_string()
    }
}
