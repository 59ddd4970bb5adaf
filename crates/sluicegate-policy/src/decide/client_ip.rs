//! The address of the client, behind trusted proxies and no others.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName, header};
use ipnet::{IpNet, Ipv4Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Finds a client's address: the right-most one that no trusted proxy owns.
///
/// Each proxy appends the address that it was called from, so the list is read from its right end, and only as
/// far as trusted proxies vouch for it. What a client writes into the header itself lies to the left of that,
/// and changes nothing.
///
/// ```
/// use sluicegate_policy::{ClientIp, ForwardedHeader};
///
/// let client_ip = ClientIp::new(vec!["10.0.0.0/8".parse()?], ForwardedHeader::XForwardedFor);
/// let mut headers = http::HeaderMap::new();
/// headers.insert("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.0.0.7".parse()?);
///
/// // From a trusted proxy: 1.2.3.4 is only what 203.0.113.9 claimed.
/// assert_eq!(client_ip.of(&headers, "10.1.1.1".parse()?).to_string(), "203.0.113.9");
/// // From any other peer, the header is ignored.
/// assert_eq!(client_ip.of(&headers, "198.51.100.2".parse()?).to_string(), "198.51.100.2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientIp {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl ClientIp {
    /// Believes `header`, and no other, from the peers in `trusted`.
    #[must_use]
    pub fn new(trusted: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { trusted: trusted.into_iter().map(canonical_net).collect(), header }
    }

    /// The client's address; an IPv4 address in IPv6's clothes (`::ffff:192.0.2.1`) is given as IPv4.
    ///
    /// The walk ends at the first entry that is no address, because the entries behind it cannot be trusted.
    /// Where every entry is a trusted proxy's, the left-most is the client.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let lines = headers.get_all(self.header.name());
        for hop in lines.iter().rev().flat_map(|line| unquoted_rsplit(line.as_bytes(), b',')) {
            let Some(address) = self.header.address(hop) else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// Returns `true` if a peer with this address, in canonical form, is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

/// The header in which proxies say whom they speak for. Exactly one is read, so that a client cannot choose
/// another that its proxy passes through.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: a list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list of elements with a `for` parameter.
    Forwarded,
}

impl ForwardedHeader {
    /// The header's name, in lower case as in the policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    /// The header's name.
    #[must_use]
    pub const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// The address from which the nearest proxy was called: the last one that the header names.
    #[must_use]
    pub fn nearest(self, headers: &HeaderMap) -> Option<IpAddr> {
        let line = headers.get_all(self.name()).iter().next_back()?;
        self.address(unquoted_rsplit(line.as_bytes(), b',').next()?).map(|address| address.to_canonical())
    }

    fn address(self, hop: &[u8]) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(hop),
            Self::Forwarded => {
                let mut named = unquoted_rsplit(hop, b';').filter_map(|pair| {
                    let equals = pair.iter().position(|byte| *byte == b'=')?;
                    pair[..equals].eq_ignore_ascii_case(b"for").then_some(&pair[equals + 1..])
                });
                let value = named.next()?;
                // Twice is malformed: either could be the proxy's.
                named.next().is_none().then_some(())?;
                node(value.strip_prefix(b"\"").map_or(Some(value), |rest| rest.strip_suffix(b"\""))?)
            }
        }
    }
}

impl fmt::Display for ForwardedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ForwardedHeader {
    type Err = UnknownForwardedHeader;

    /// Reads the header's name, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownForwardedHeader> {
        [Self::XForwardedFor, Self::Forwarded]
            .into_iter()
            .find(|header| text.eq_ignore_ascii_case(header.as_str()))
            .ok_or(UnknownForwardedHeader)
    }
}

/// The text names no forwarding header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownForwardedHeader;

impl fmt::Display for UnknownForwardedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown forwarding header; use x-forwarded-for or forwarded")
    }
}

impl std::error::Error for UnknownForwardedHeader {}

/// The address whose account a client at `ip` charges: an IPv6 address is cut to its first `v6_prefix` bits,
/// because one customer owns all of them and could use a new address for each request.
///
/// ```
/// use sluicegate_policy::account_ip;
///
/// assert_eq!(account_ip("2001:db8:1:2:3:4:5:6".parse()?, 64).to_string(), "2001:db8:1:2::");
/// assert_eq!(account_ip("::ffff:192.0.2.1".parse()?, 64).to_string(), "192.0.2.1");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn account_ip(ip: IpAddr, v6_prefix: u8) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let host_bits = 128_u32.saturating_sub(u32::from(v6_prefix));
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

/// The text of an address, as the standard library writes it. That of IPv4 is written here, for every request needs it and
/// the general way takes ten times as long.
pub(crate) fn text_of(ip: IpAddr) -> String {
    let IpAddr::V4(address) = ip else { return ip.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for octet in address.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        for (power, more) in [(100, octet > 99), (10, octet > 9), (1, true)] {
            if more {
                text.push(char::from(b'0' + octet / power % 10));
            }
        }
    }
    text
}

/// A network of IPv4-mapped addresses as the IPv4 network that it is: clients are compared in that form.
fn canonical_net(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_PREFIX => match v6.addr().to_ipv4_mapped() {
            Some(address) => Ipv4Net::new(address, v6.prefix_len() - MAPPED_PREFIX).map_or(net, IpNet::V4),
            None => net,
        },
        _ => net,
    }
}

/// An address as proxies write it: IPv4 or bracketed IPv6, either with a port, or bare IPv6.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return is_port(port).then(|| address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)).flatten();
    }
    match text.split_once(':') {
        Some((address, port)) if address.contains('.') => {
            let port_follows = is_port(&text[text.len() - port.len() - 1..]);
            port_follows.then(|| address.parse::<Ipv4Addr>().ok().map(IpAddr::V4)).flatten()
        }
        _ => text.parse().ok(),
    }
}

/// Nothing, or a colon and a port; RFC 7239 lets a proxy hide the port behind an underscore and a word.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => match port.strip_prefix('_') {
            Some(word) => !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()),
            None => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        },
        None => text.is_empty(),
    }
}

/// The parts of a header line from its right end, without blank ones, split where `separator` is unquoted.
///
/// Quotation marks are paired from the right too: the right end was written by a trusted proxy, the left end
/// perhaps by an attacker, whose open quotation mark must not swallow what the proxy appended.
fn unquoted_rsplit(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let whole = rest?;
        let mut quoted = false;
        for at in (0..whole.len()).rev() {
            match whole[at] {
                b'"' => {
                    let escapes = whole[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                    quoted ^= !(quoted && escapes % 2 == 1);
                }
                byte if byte == separator && !quoted => {
                    rest = Some(&whole[..at]);
                    return Some(&whole[at + 1..]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(whole)
    })
    .map(<[u8]>::trim_ascii)
    .filter(|part| !part.is_empty())
}

/// `::ffff:0:0/96` holds all IPv4-mapped addresses.
const MAPPED_PREFIX: u8 = 96;
