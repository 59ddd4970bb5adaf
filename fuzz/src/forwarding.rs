//! The headers in which proxies name their clients.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use sluicegate_policy::{ClientIp, ForwardedHeader, trusted_proxy};

/// A client is the one that the nearest trusted proxy names, whatever the client itself wrote. The input is lines of the
/// header; the first is an entry of `trusted_proxies`, too.
pub fn forwarding(input: &[u8]) {
    let lines: Vec<_> = input.split(|byte| *byte == b'\n').collect();
    let written = std::str::from_utf8(lines[0]).ok().and_then(trusted_proxy);
    if let Some(network) = written {
        assert_eq!(trusted_proxy(&network.to_string()), Some(network), "an entry as it is written");
    }
    for (header, named) in [
        (ForwardedHeader::XForwardedFor, &b"203.0.113.9"[..]),
        (ForwardedHeader::Forwarded, b"for=\"203.0.113.9:4711\";proto=https"),
    ] {
        let client_ip = ClientIp::new(vec![IpNet::from(PROXY)], header);
        let mut headers = HeaderMap::new();
        for line in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(header.name(), line);
        }
        let stranger = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));
        assert_eq!(client_ip.of(&headers, stranger), stranger, "nobody vouches for the header");

        // Whoever is named is in the header, or is the proxy itself.
        let found = client_ip.of(&headers, PROXY);
        assert_eq!(found, found.to_canonical());
        assert!(found == PROXY || !headers.is_empty());

        // As a line of its own, and behind what is there.
        let last = lines.iter().rev().find_map(|line| HeaderValue::from_bytes(line).ok());
        let behind = [last.as_ref().map_or(&b""[..], HeaderValue::as_bytes), named].join(&b", "[..]);
        for line in [named, &behind] {
            let mut appended = headers.clone();
            appended.append(header.name(), HeaderValue::from_bytes(line).expect("two good values"));
            assert_eq!(client_ip.of(&appended, PROXY), CLIENT, "{header}: {appended:?}");
        }

        // Who trusts more proxies hears no less of them.
        let trusting: Vec<_> = [IpNet::from(PROXY)].into_iter().chain(written).collect();
        let _ = ClientIp::new(trusting, header).of(&headers, PROXY);
    }
}

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
