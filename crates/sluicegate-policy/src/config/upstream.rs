//! A server that is protected.

use std::{borrow::Cow, fmt, str::FromStr};

use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

/// A server that is protected, by its URL.
///
/// ```
/// use sluicegate_policy::Upstream;
///
/// let upstream: Upstream = "http://[::1]:8000/v1/".parse()?;
/// assert_eq!((upstream.host(), upstream.port(), upstream.base()), ("::1", 8000, "/v1"));
/// assert_eq!(upstream.to_string(), "http://[::1]:8000/v1");
/// # Ok::<(), sluicegate_policy::UpstreamError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    scheme: Scheme,
    host: String,
    port: u16,
    base: String,
    weight: u32,
    told_host: Option<String>,
}

/// The protocol of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scheme {
    /// HTTP/1.1 in clear.
    Http,
    /// TLS, in which the server chooses between HTTP/2 and HTTP/1.1.
    Https,
    /// HTTP/2 in clear.
    H2c,
}

impl Upstream {
    /// The OpenTelemetry collector on this machine, at the port that is registered for OTLP over HTTP.
    pub(crate) fn collector() -> Self {
        Self {
            scheme: Scheme::Http,
            host: "127.0.0.1".to_owned(),
            port: 4318,
            base: String::new(),
            weight: 1,
            told_host: None,
        }
    }

    /// The host's name or address, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns `true` if connections to it use TLS: its URL begins with `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Returns `true` if it speaks HTTP/2 in clear text, by prior knowledge: its URL begins with `h2c`.
    #[must_use]
    pub fn is_h2c(&self) -> bool {
        self.scheme == Scheme::H2c
    }

    /// The port, 80 if the URL has none; 443 with `https`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The prefix of every path: empty, or a path that does not end in `/`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The number of requests for each one that an upstream of weight 1 gets; 1 by default.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The same server with this share of the requests, at least 1.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        Self { weight: weight.max(1), ..self }
    }

    /// The `Host` that it gets instead of the client's, if any.
    #[must_use]
    pub fn told_host(&self) -> Option<&str> {
        self.told_host.as_deref()
    }

    /// The same server, which is told this host instead of the client's.
    #[must_use]
    pub fn with_host(self, host: String) -> Self {
        Self { told_host: Some(host), ..self }
    }

    /// The host in its URL, as a `Host` header has it: `host:port`, without the port that its scheme has anyway.
    #[must_use]
    pub fn authority(&self) -> String {
        let host: Cow<'_, str> = if self.host.contains(':') {
            format!("[{}]", self.host).into()
        } else {
            self.host.as_str().into()
        };
        if self.port == self.scheme.port() { host.into_owned() } else { format!("{host}:{}", self.port) }
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let wrong = |message: &'static str, help| Err(UpstreamError { message, help });
        if text.contains('#') {
            return wrong("an upstream has no fragment", "leave out what follows `#`");
        }
        let Ok(uri) = text.parse::<Uri>() else { return wrong("not a URL", EXAMPLE) };
        let Some(scheme) = uri.scheme_str() else {
            return wrong("an upstream is a URL with a scheme", EXAMPLE);
        };
        let (Some(scheme), Some(authority)) = (Scheme::of(scheme), uri.authority()) else {
            return wrong("an upstream speaks http, https or h2c", EXAMPLE);
        };
        if authority.as_str().contains('@') {
            return wrong("an upstream has no user or password", "leave out what stands before `@`");
        }
        if uri.query().is_some() {
            return wrong("an upstream has no query", "leave out what follows `?`");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            // `http` takes `host:` and `host:99999` for hosts without a port.
            None if authority.as_str().len() > authority.host().len() => {
                return wrong("a port is a number from 1 to 65535", EXAMPLE);
            }
            None => scheme.port(),
        };
        if host.is_empty() || port == 0 {
            return wrong("an upstream has a host, and a port other than 0", EXAMPLE);
        }
        let base = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, host: host.to_owned(), port, base, weight: 1, told_host: None })
    }
}

impl Scheme {
    /// The scheme of this name, in letters of either case.
    fn of(name: &str) -> Option<Self> {
        [Self::Http, Self::Https, Self::H2c].into_iter().find(|it| it.name().eq_ignore_ascii_case(name))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http | Self::H2c => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.base)
    }
}

impl<'de> Deserialize<'de> for Upstream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|error: UpstreamError| D::Error::custom(format!("{}\n{}", error.message, error.help)))
    }
}

impl JsonSchema for Upstream {
    fn schema_name() -> Cow<'static, str> {
        "Upstream".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(https?|h2c)://" })
    }
}

/// An invalid upstream, and what would be right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UpstreamError {
    message: &'static str,
    help: &'static str,
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for UpstreamError {}

const EXAMPLE: &str = "write it as \"http://127.0.0.1:8000\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_that_cannot_be_reached_as_written_is_refused() {
        for (text, message) in [
            ("", "not a URL"),
            ("localhost:8000", "an upstream is a URL with a scheme"),
            ("/predict", "an upstream is a URL with a scheme"),
            ("ftp://model", "an upstream speaks http, https or h2c"),
            ("http://user:secret@model", "an upstream has no user or password"),
            ("http://model/?a", "an upstream has no query"),
            ("http://model/#a", "an upstream has no fragment"),
            ("http://model:0", "an upstream has a host, and a port other than 0"),
            ("http://model:99999", "a port is a number from 1 to 65535"),
        ] {
            assert_eq!(text.parse::<Upstream>().unwrap_err().message, message, "{text}");
        }
    }

    #[test]
    fn the_port_of_the_scheme_is_left_out_of_the_host_header() {
        let authority = |text: &str| text.parse::<Upstream>().unwrap().authority();
        assert_eq!(authority("http://model"), "model");
        assert_eq!(authority("http://model:8000/"), "model:8000");
        assert_eq!(authority("http://[::1]"), "[::1]");
        assert_eq!(authority("https://model/v1"), "model");
        assert_eq!(authority("https://model:443"), "model");
        assert_eq!(authority("h2c://model:80"), "model");
        assert_eq!(
            (authority("https://model:80"), authority("http://model:443")),
            ("model:80".into(), "model:443".into())
        );
    }
}
