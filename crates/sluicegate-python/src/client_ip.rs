//! `ClientIp`.

use http::{HeaderMap, HeaderValue};
use pyo3::prelude::*;
use sluicegate_policy::{ForwardedHeader, NO_ADDRESS, account_ip, trusted_proxy};

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
            trusted_proxy(&text).ok_or_else(|| {
                PolicyError::new_err(format!(
                    "`{text}` is neither an address, nor a network such as 10.0.0.0/8, nor unix, for peers on a Unix socket"
                ))
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
        let address = peer.parse().unwrap_or(NO_ADDRESS);
        let mut headers = HeaderMap::with_capacity(lines.len());
        for line in lines.iter().filter_map(|line| HeaderValue::from_bytes(line.as_bytes()).ok()) {
            headers.append(self.header.name(), line);
        }
        match self.client_ip.of(&headers, address) {
            NO_ADDRESS => peer,
            client => account_ip(client, self.ipv6_prefix).to_string(),
        }
    }
}
