//! The host and port that a request names, in `Host` or in its target.

use std::net::Ipv6Addr;

/// Returns `true` if `value` is a host with an optional port: `uri-host [ ":" port ]` (RFC 9112, section 3.2).
///
/// An empty value is one, too: clients send it where the target has no authority. Reads each byte once.
pub(crate) fn is_host(value: &[u8]) -> bool {
    if let [b'[', literal @ ..] = value {
        let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
        return is_address(&literal[..end])
            && matches!(&literal[end + 1..], [] | [b':', ..])
            && is_port(&literal[end + 1..]);
    }
    let mut rest = value;
    loop {
        let Some(end) = rest.iter().position(|byte| !OF_NAME[usize::from(*byte)]) else { return true };
        rest = match &rest[end..] {
            // A port alone names no host.
            port @ [b':', ..] => return port.len() < value.len() && is_port(port),
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            _ => return false,
        };
    }
}

/// Returns `true` if `value` is a list of hosts, as every proxy on the way may have added one.
pub(crate) fn are_hosts(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).all(is_host)
}

/// Returns `true` if `port` is empty, or a colon with digits behind it.
fn is_port(port: &[u8]) -> bool {
    port.iter().skip(1).all(u8::is_ascii_digit)
}

/// Returns `true` if `literal` can stand between brackets: an address of IPv6, or of a version that is still to come.
fn is_address(literal: &[u8]) -> bool {
    if let [b'v' | b'V', future @ ..] = literal {
        let mut parts = future.splitn(2, |byte| *byte == b'.');
        let version = parts.next().unwrap_or_default();
        let address = parts.next().unwrap_or_default();
        return !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !address.is_empty()
            && address.iter().all(|byte| *byte == b':' || OF_NAME[usize::from(*byte)]);
    }
    str::from_utf8(literal).is_ok_and(|literal| literal.parse::<Ipv6Addr>().is_ok())
}

/// The bytes that stand for themselves in a registered name (RFC 3986, section 3.2.2). A table, because every request is
/// looked at.
const OF_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-._~!$&'()*+,;=";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts_with_a_port_or_without() {
        for host in [
            "",
            "a",
            "models.example",
            "models.example:8080",
            "a:",
            "a.",
            "my_model-1~x",
            "10.0.0.7:80",
            "xn--bcher-kva",
            "b%C3%BCcher",
            "a!$&'()*+;=",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::1.2.3.4]",
            "[v1.fe80::a+en1]:1",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn what_a_url_would_read_as_something_else_is_no_host() {
        for no_host in [
            "a b",
            " ",
            "a/b",
            "a?b",
            "a#b",
            "u@a",
            "u:p@a",
            "a:x",
            "a:80x",
            "a:-1",
            "a:1:2",
            ":80",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]80",
            "[]",
            "[a]",
            "[::1%25en0]",
            "[v.a]",
            "[v1.]",
            "[v1]",
            "a]",
            "a%",
            "a%4",
            "a%4g",
            "a\\b",
            "a\"b",
            "<a>",
            "a{b}",
            "a|b",
            "a^b",
            "a`b",
            "a\tb",
            "a\0b",
            "a\x7f",
            "b\u{fc}cher",
            "http://a",
        ] {
            assert!(!is_host(no_host.as_bytes()), "{no_host}");
        }
    }

    #[test]
    fn a_list_is_one_of_hosts_only() {
        assert!(are_hosts(b"a") && are_hosts(b"a:1, [::1],b"));
        assert!(!are_hosts(b"a, b c") && !are_hosts(b"a, u@b"));
    }
}
