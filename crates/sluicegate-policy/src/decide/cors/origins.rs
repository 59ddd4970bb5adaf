//! The origins whose pages may call.

use std::{fmt, str::FromStr};

use http::uri::Authority;

/// The origins whose pages may call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origins {
    Any,
    Listed(Vec<Origin>),
}

impl Origins {
    pub(crate) fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(known) => known.iter().any(|known| known.matches(origin)),
        }
    }
}

/// An origin, or all subdomains of a domain. Written as browsers send it: in lower case, without the scheme's own port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// `https://app.example.com`
    Exact(String),
    /// `https://*.example.com`: what stands before the asterisk, and what follows it.
    Below(String, String),
}

impl Origin {
    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(known) => known == origin,
            Self::Below(scheme, domain) => origin
                .strip_prefix(scheme.as_str())
                .and_then(|rest| rest.strip_suffix(domain.as_str()))
                .is_some_and(|labels| labels.split('.').all(is_label)),
        }
    }
}

impl FromStr for Origin {
    type Err = (&'static str, &'static str);

    /// Reads an origin. The error says what is wrong with it, and what would be right.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "null" {
            return Err((
                "every page in a sandboxed frame is `null`",
                "serve the page from an origin of its own",
            ));
        }
        let (scheme, rest) = text.split_once("://").ok_or(("an origin begins with a scheme", EXAMPLE))?;
        let scheme = scheme.to_ascii_lowercase();
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme) {
            return Err(("an origin begins with a scheme", EXAMPLE));
        }
        if rest.contains('/') {
            return Err(("an origin has no path, and no slash at its end", EXAMPLE));
        }
        if rest.contains(['?', '#', '@']) {
            return Err(("an origin is a scheme, a host and perhaps a port, and nothing else", EXAMPLE));
        }
        if !rest.is_ascii() {
            return Err((
                "browsers send this host in another spelling",
                "write it in Punycode, as in \"xn--mnchen-3ya.example\"",
            ));
        }
        let rest = rest.to_ascii_lowercase();
        let (is_below, host) = match rest.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, rest.as_str()),
        };
        if host.contains('*') {
            return Err(("`*` stands for whole subdomains", "write it as \"https://*.example.com\""));
        }
        let host = match host.rsplit_once(':') {
            // `Authority` takes `host:` and `host:99999` for hosts without a port.
            Some((name, port)) if !port.contains(']') => match port.parse::<u16>() {
                Ok(1..) if is_own_port(&scheme, port) => name,
                Ok(1..) if !port.starts_with(['0', '+']) => host,
                _ => return Err(("a port is a number from 1 to 65535", EXAMPLE)),
            },
            _ => host,
        };
        if host.parse::<Authority>().is_err() || host.starts_with(':') {
            return Err(("an origin has a host", EXAMPLE));
        }
        Ok(if is_below {
            Self::Below(format!("{scheme}://"), format!(".{host}"))
        } else {
            Self::Exact(format!("{scheme}://{host}"))
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => f.write_str(origin),
            Self::Below(scheme, domain) => write!(f, "{scheme}*{domain}"),
        }
    }
}

/// Browsers leave out the port that the scheme has anyway.
fn is_own_port(scheme: &str, port: &str) -> bool {
    matches!((scheme, port), ("http", "80") | ("https", "443"))
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

const EXAMPLE: &str =
    "write it as \"https://app.example.com\", or \"https://*.example.com\" for its subdomains";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_as_browsers_write_it() {
        for (written, sent) in [
            ("https://app.example.com", "https://app.example.com"),
            ("https://App.Example.com:443", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("https://*.example.com", "https://a.example.com"),
            ("https://*.example.com", "https://a.b-c.example.com"),
            ("https://*.example.com:8443", "https://a.example.com:8443"),
        ] {
            let origin: Origin = written.parse().unwrap();
            assert!(origin.matches(sent), "{written} is {sent}");
        }
    }

    #[test]
    fn no_other_origin_matches() {
        for (written, sent) in [
            ("https://app.example.com", "http://app.example.com"),
            ("https://app.example.com", "https://app.example.com:8443"),
            ("https://app.example.com", "https://app.example.com.evil.example"),
            ("https://*.example.com", "https://example.com"),
            ("https://*.example.com", "https://.example.com"),
            ("https://*.example.com", "https://evil.example/.example.com"),
            ("https://*.example.com", "https://evil.example:1@a.example.com"),
            ("https://*.example.com", "https://evilexample.com"),
            ("https://*.example.com", "https://a.example.com:8443"),
            ("https://*.example.com", "http://a.example.com"),
            ("https://*.example.com", "null"),
        ] {
            let origin: Origin = written.parse().unwrap();
            assert!(!origin.matches(sent), "{written} is not {sent}");
        }
    }
}
