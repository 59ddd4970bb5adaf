//! The client that a request is counted against. The rules I1–I9 are those of the project's conformance list.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its input stops there")]

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use sluicegate_policy::{ClientIp, ForwardedHeader, NO_ADDRESS, Policy, Source, account_ip, trusted_proxy};

/// I1.
#[test]
fn an_untrusted_peers_forwarding_headers_are_ignored() {
    let headers = headers(&[
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("x-real-ip", "1.2.3.4"),
        ("cf-connecting-ip", "1.2.3.4"),
    ]);
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let behind_proxies = ClientIp::new(vec![net("10.0.0.0/8")], header);
        assert_eq!(behind_proxies.of(&headers, ip("203.0.113.9")), ip("203.0.113.9"));
        let alone = ClientIp::new(Vec::new(), header);
        assert_eq!(alone.of(&headers, ip("127.0.0.1")), ip("127.0.0.1"));
    }
}

/// I2, I3: each row is the lines of one request's `X-Forwarded-For`, in order, and whom they name.
#[test]
fn the_client_is_the_right_most_address_that_no_trusted_proxy_owns() {
    let rows: &[(&[&str], &str)] = &[
        (&[], "127.0.0.1"),
        (&[""], "127.0.0.1"),
        (&["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        (&["1.2.3.4, 203.0.113.9, 10.1.1.1, 10.0.0.7"], "203.0.113.9"),
        (&["evil, 203.0.113.9"], "203.0.113.9"),
        (&["203.0.113.9, garbage"], "127.0.0.1"),
        (&["203.0.113.9, garbage, 10.0.0.7"], "10.0.0.7"),
        (&["203.0.113.9, unknown"], "127.0.0.1"),
        (&["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        (&["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        (&["203.0.113.9", "10.0.0.7"], "203.0.113.9"),
        (&["203.0.113.9:51234"], "203.0.113.9"),
        (&["[2001:db8::1]:443"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["203.0.113.9 , 10.0.0.7"], "203.0.113.9"),
        (&["203.0.113.9,"], "203.0.113.9"),
        (&[",203.0.113.9"], "203.0.113.9"),
        (&["203.0.113.9, , 10.0.0.7", ""], "203.0.113.9"),
        (&["203.0.113.9, ::ffff:10.0.0.7"], "203.0.113.9"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        (&["::FFFF:cb00:7109"], "203.0.113.9"),
        (&["999.1.1.1, 10.0.0.7"], "10.0.0.7"),
        (&["203.0.113.009"], "127.0.0.1"),
        (&["203.0.113.9:65536"], "127.0.0.1"),
        (&["203.0.113.9:"], "127.0.0.1"),
        (&["203.0.113.9:+80"], "127.0.0.1"),
        (&["[203.0.113.9]"], "127.0.0.1"),
        (&["[2001:db8::1"], "127.0.0.1"),
        (&["[2001:db8::1]x"], "127.0.0.1"),
        (&["fe80::1%eth0"], "127.0.0.1"),
        (&["203.0.113.9 10.0.0.7"], "127.0.0.1"),
    ];
    for (lines, client) in rows {
        assert_eq!(x_forwarded_for(lines), ip(client), "{lines:?}");
    }
}

/// I3: what stops the walk is also what is no text.
#[test]
fn bytes_that_are_no_text_stop_the_walk() {
    let mut headers = HeaderMap::new();
    headers.append("x-forwarded-for", HeaderValue::from_bytes(b"203.0.113.9, \xff\xfe, 10.0.0.7").unwrap());
    assert_eq!(proxied(ForwardedHeader::XForwardedFor).of(&headers, ip("127.0.0.1")), ip("10.0.0.7"));
}

/// I5.
#[test]
fn an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address() {
    let client_ip = proxied(ForwardedHeader::XForwardedFor);
    let headers = headers(&[("x-forwarded-for", "203.0.113.9")]);
    for peer in ["::ffff:10.0.0.7", "::ffff:a00:7", "10.0.0.7"] {
        assert_eq!(client_ip.of(&headers, ip(peer)), ip("203.0.113.9"), "{peer} is trusted");
    }
    assert_eq!(client_ip.of(&headers, ip("::ffff:198.51.100.2")), ip("198.51.100.2"));
}

/// I5: a mapped address must be unmapped before it is masked, or all IPv4 clients share `::/64`.
#[test]
fn two_mapped_clients_never_share_an_account() {
    let account = |text| account_ip(ip(text), 64);
    assert_eq!(account("::ffff:192.0.2.1"), account("192.0.2.1"));
    assert_eq!(account("::ffff:c000:201"), account("192.0.2.1"));
    assert_ne!(account("::ffff:192.0.2.1"), account("::ffff:192.0.2.2"));
}

/// I5: an operator may write the trusted range in either form.
#[test]
fn a_range_of_mapped_addresses_trusts_the_ipv4_range() {
    let client_ip = ClientIp::new(vec![net("::ffff:10.0.0.0/104")], ForwardedHeader::XForwardedFor);
    let headers = headers(&[("x-forwarded-for", "203.0.113.9")]);
    assert_eq!(client_ip.of(&headers, ip("10.0.0.7")), ip("203.0.113.9"));
    assert_eq!(client_ip.of(&headers, ip("11.0.0.7")), ip("11.0.0.7"));
}

/// I6.
#[test]
fn an_ipv6_site_is_one_account_and_its_neighbour_another() {
    let account = |text, prefix| account_ip(ip(text), prefix);
    assert_eq!(account("2001:db8:0:1::1", 64), account("2001:db8:0:1:ffff::2", 64));
    assert_ne!(account("2001:db8:0:1::1", 64), account("2001:db8:0:2::1", 64));
    assert_eq!(account("2001:db8:0:1::1", 48), account("2001:db8:0:2::1", 48));
    assert_ne!(account("2001:db8::1", 128), account("2001:db8::2", 128));
    // Dotted text does not make an address IPv4: its bits do.
    assert_eq!(account("2001:db8::1.2.3.4", 64), ip("2001:db8::"));
}

/// I7.
#[test]
fn a_client_that_names_the_header_in_connection_changes_nothing() {
    for connection in ["x-forwarded-for", "close, X-Forwarded-For"] {
        let headers = headers(&[("x-forwarded-for", "203.0.113.9"), ("connection", connection)]);
        let client = proxied(ForwardedHeader::XForwardedFor).of(&headers, ip("10.0.0.7"));
        assert_eq!(client, ip("203.0.113.9"));
    }
}

/// I8.
#[test]
fn headers_that_only_look_like_the_header_are_not_it() {
    let headers = headers(&[("x_forwarded_for", "1.2.3.4"), ("x.forwarded.for", "1.2.3.4")]);
    let client = proxied(ForwardedHeader::XForwardedFor).of(&headers, ip("10.0.0.7"));
    assert_eq!(client, ip("10.0.0.7"));
}

/// I9: each row is the lines of one request's `Forwarded`, in order, and whom they name.
#[test]
fn forwarded_is_read_as_rfc_7239_writes_it() {
    let rows: &[(&[&str], &str)] = &[
        (&["for=203.0.113.9"], "203.0.113.9"),
        (&["FOR=203.0.113.9;Proto=https;By=10.0.0.1"], "203.0.113.9"),
        (&["proto=https ; for=\"203.0.113.9:4711\""], "203.0.113.9"),
        (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
        (&["for=\"[2001:db8:cafe::17]\", for=10.0.0.7"], "2001:db8:cafe::17"),
        (&["for=\"203.0.113.9:_hidden\""], "203.0.113.9"),
        (&["for=1.2.3.4, for=203.0.113.9", "for=10.0.0.7"], "203.0.113.9"),
        (&["for=203.0.113.9, for=unknown, for=10.0.0.7"], "10.0.0.7"),
        (&["for=203.0.113.9, for=_secret"], "127.0.0.1"),
        (&["for=203.0.113.9, proto=http, for=10.0.0.7"], "10.0.0.7"),
        (&["for=203.0.113.9;for=1.2.3.4"], "127.0.0.1"),
        (&["for=\"203.0.113.9"], "127.0.0.1"),
        (&["for="], "127.0.0.1"),
        (&["203.0.113.9"], "127.0.0.1"),
        (&[",, ;;for=203.0.113.9 ,"], "203.0.113.9"),
        // Separators inside quotation marks separate nothing, escaped quotation marks end nothing.
        (&["host=\"a,b;for=1.2.3.4\";for=203.0.113.9"], "203.0.113.9"),
        (&["host=\"a\\\",for=1.2.3.4\";for=203.0.113.9"], "203.0.113.9"),
        (&["for=203.0.113.9, host=\"x, for=1.2.3.4\";for=10.0.0.7"], "203.0.113.9"),
        // What an attacker leaves open on the left cannot swallow what a proxy appends on the right.
        (&["for=\"1.2.3.4, for=203.0.113.9"], "203.0.113.9"),
        (&["for=1.2.3.4;host=\", for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
        (&["for=1.2.3.4;host=\"\\, for=203.0.113.9, for=10.0.0.7"], "203.0.113.9"),
    ];
    for (lines, client) in rows {
        let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
        let found = proxied(ForwardedHeader::Forwarded).of(&headers(&lines), ip("127.0.0.1"));
        assert_eq!(found, ip(client), "{lines:?}");
    }
}

/// I9.
#[test]
fn only_the_configured_header_is_read() {
    let headers = headers(&[("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=198.51.100.2")]);
    let client = |header| proxied(header).of(&headers, ip("10.0.0.7"));
    assert_eq!(client(ForwardedHeader::XForwardedFor), ip("203.0.113.9"));
    assert_eq!(client(ForwardedHeader::Forwarded), ip("198.51.100.2"));
}

#[test]
fn a_forwarding_header_is_read_from_its_own_name() {
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        assert_eq!(header.to_string().parse(), Ok(header));
        assert_eq!(header.name().as_str(), header.as_str());
    }
    assert_eq!("X-Forwarded-For".parse(), Ok(ForwardedHeader::XForwardedFor));
    assert!("x-real-ip".parse::<ForwardedHeader>().is_err());
}

proptest! {
    /// I1–I3: whatever a client writes, it is whom the trusted proxy in front says that it is.
    #[test]
    fn nothing_that_a_client_writes_changes_who_it_is(forged in "[ -~]{0,80}", element in any::<bool>()) {
        let mut headers = HeaderMap::new();
        let (header, appended) = if element {
            (ForwardedHeader::Forwarded, "for=\"203.0.113.9:4711\";proto=https")
        } else {
            (ForwardedHeader::XForwardedFor, "203.0.113.9")
        };
        let line = HeaderValue::from_str(&format!("{forged}, {appended}")).unwrap();
        headers.append(header.name(), line);
        prop_assert_eq!(proxied(header).of(&headers, ip("10.0.0.7")), ip("203.0.113.9"));
    }
}

fn x_forwarded_for(lines: &[&str]) -> IpAddr {
    let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
    proxied(ForwardedHeader::XForwardedFor).of(&headers(&lines), ip("127.0.0.1"))
}

fn proxied(header: ForwardedHeader) -> ClientIp {
    ClientIp::new(vec![net("127.0.0.1/32"), net("10.0.0.0/8"), net("fd00::/8")], header)
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

#[test]
fn a_peer_without_an_address_is_believed_where_unix_is_trusted() {
    let trusting =
        |entries: &[&str]| entries.iter().map(|entry| trusted_proxy(entry).unwrap()).collect::<Vec<_>>();
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", "6.6.6.6, 198.51.100.1, 10.2.3.4".parse().unwrap());
    let of = |entries: &[&str], peer| {
        ClientIp::new(trusting(entries), ForwardedHeader::XForwardedFor).of(&headers, peer).to_string()
    };

    assert_eq!(of(&["unix", "10.0.0.0/8"], NO_ADDRESS), "198.51.100.1");
    assert_eq!(of(&["unix"], NO_ADDRESS), "10.2.3.4");
    assert_eq!(of(&["10.0.0.0/8"], NO_ADDRESS), NO_ADDRESS.to_string());
    assert_eq!(of(&["unix"], "10.2.3.4".parse().unwrap()), "10.2.3.4");
    assert_eq!(trusted_proxy("Unix"), None);
    assert_eq!(trusted_proxy("unix:/run/app.sock"), None);
}

#[test]
fn a_policy_names_unix_as_it_is_written() {
    let text = "[gateway]\ntrusted_proxies = ['unix', '10.0.0.0/8']";
    let policy = Policy::parse(&Source::new("p.toml", text.as_bytes()).unwrap()).unwrap();
    assert_eq!(policy.document()["gateway"]["trusted_proxies"], serde_json::json!(["unix", "10.0.0.0/8"]));
}

#[test]
fn proxies_on_a_unix_socket_send_the_gateway_no_header_of_the_proxy_protocol() {
    let text = "[gateway]\ntrusted_proxies = 'unix'\nproxy_protocol = true";
    let errors = Policy::parse(&Source::new("p.toml", text.as_bytes()).unwrap()).unwrap_err().to_string();
    assert!(errors.contains("closes every connection"), "{errors}");
}
