//! An entry of `trusted_proxies`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

/// The address that stands for a peer without one, as on a Unix socket. No peer connects from it.
pub const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Reads an address, a network, or `unix` for peers without an address.
///
/// ```
/// use sluicegate_policy::{NO_ADDRESS, trusted_proxy};
///
/// assert!(trusted_proxy("unix").is_some_and(|network| network.contains(&NO_ADDRESS)));
/// assert_eq!(trusted_proxy("10.0.0.0/33"), None);
/// ```
#[must_use]
pub fn trusted_proxy(text: &str) -> Option<IpNet> {
    if text == UNIX {
        return Some(IpNet::from(NO_ADDRESS));
    }
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The entry as a policy file has it.
pub(crate) fn written(network: &IpNet) -> String {
    if is_unix(network) { UNIX.to_owned() } else { network.to_string() }
}

/// Returns `true` for the peers on Unix sockets, of which the gateway has none.
pub(crate) fn is_unix(network: &IpNet) -> bool {
    *network == IpNet::from(NO_ADDRESS)
}

const UNIX: &str = "unix";
