//! A proxy's changes to the heads of forwarded messages.

use std::{fmt::Write as _, net::IpAddr};

use http::{
    Method, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE, VIA,
    },
    request::Parts,
    response,
    uri::{PathAndQuery, Uri},
};
use ipnet::IpNet;
use sluicegate_policy::{ClientIp, ForwardedHeader, Refusal, RequestId, Upstream};
use smallvec::SmallVec;

use crate::request::host::{are_hosts, is_host};

/// Rewrites heads between clients and one upstream.
pub(crate) struct Forward {
    client_ip: ClientIp,
    header: ForwardedHeader,
    base: String,
    authority: HeaderValue,
}

/// The other end of a client's connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its address; one that is mapped into IPv6 is written as IPv4.
    pub(crate) ip: IpAddr,
    text: HeaderValue,
    /// Of the URL by which it asks.
    pub(crate) scheme: &'static str,
}

/// The fault that makes a request impossible to forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHead {
    /// Exactly one host is required.
    Host,
    /// The named host is not a host.
    NoHost,
    /// A tunnel, or a target that is not of HTTP.
    Target,
}

impl Forward {
    /// For requests to `upstream`, if there is one. The forwarding `header` of a peer in `trusted` is continued; any other is replaced.
    pub(crate) fn new(upstream: Option<&Upstream>, trusted: Vec<IpNet>, header: ForwardedHeader) -> Self {
        let client_ip = ClientIp::new(trusted, header);
        let authority = upstream
            .and_then(|upstream| HeaderValue::try_from(upstream.authority()).ok())
            .unwrap_or(HeaderValue::from_static("upstream"));
        let base = upstream.map_or_else(String::new, |upstream| upstream.base().to_owned());
        Self { client_ip, header, base, authority }
    }

    /// Brings a request's target into the one form that routes and upstreams understand: a path, with the host in `Host`.
    ///
    /// # Errors
    ///
    /// [`BadHead`], which is answered 400.
    pub(crate) fn normalize(&self, head: &mut Parts) -> Result<(), BadHead> {
        if head.method == Method::CONNECT {
            return Err(BadHead::Target);
        }
        let mut hosts = head.headers.get_all(HOST).iter();
        let first = hosts.next();
        let is_host_named = first.is_none_or(|host| is_host(host.as_bytes()));
        match (first, hosts.next(), head.uri.authority()) {
            // HTTP/2 names the host in `:authority`; a `Host` beside it must say the same (RFC 9113, section 8.3.1).
            (None, None, Some(_)) if head.version == Version::HTTP_2 => {}
            (Some(host), None, Some(authority)) if head.version == Version::HTTP_2 => {
                if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) {
                    return Err(BadHead::Host);
                }
            }
            (Some(_), None, _) => {}
            (None, None, _) if head.version == Version::HTTP_10 => {
                head.headers.insert(HOST, self.authority.clone());
            }
            _ => return Err(BadHead::Host),
        }
        if !is_host_named {
            return Err(BadHead::NoHost);
        }
        if let Some(authority) = head.uri.authority() {
            // The absolute form's host wins over the header (RFC 9112, section 3.2.2); a host alone is CONNECT's form.
            if head.uri.scheme().is_none() || authority.as_str().contains('@') {
                return Err(BadHead::Target);
            }
            if !is_host(authority.as_str().as_bytes()) {
                return Err(BadHead::NoHost);
            }
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| BadHead::Target)?;
            head.headers.insert(HOST, host);
            let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
            head.uri = Uri::from(path);
        }
        Ok(())
    }

    /// Turns the head of a client's request into the one that the upstream gets.
    ///
    /// Forwarding headers are built from what the peer sent before the fields that `Connection` names are removed, so
    /// that a client cannot have them removed. The id is the client's own if it sent a usable one.
    pub(crate) fn request(&self, head: &mut Parts, peer: &Peer) -> RequestId {
        let headers = &mut head.headers;
        if head.version == Version::HTTP_2 {
            join_cookies(headers);
        }
        let trailers = wants_trailers(headers);
        let trusted = self.client_ip.trusts(peer.ip);
        let line = self.line(headers, peer, trusted);
        let id = RequestId::of(headers);
        let host = headers.get(HOST).cloned();
        let (told_host, told_proto) = if trusted && self.header == ForwardedHeader::XForwardedFor {
            // A proxy may have passed on what its client wrote.
            (
                headers.remove(X_FORWARDED_HOST).filter(|hosts| are_hosts(hosts.as_bytes())),
                headers.remove(X_FORWARDED_PROTO),
            )
        } else {
            (None, None)
        };
        let client = match self.header {
            ForwardedHeader::XForwardedFor => None,
            // Many upstreams read the other header only.
            ForwardedHeader::Forwarded => Some(self.client_ip.of(headers, peer.ip)),
        };
        strip(headers, |name| match name {
            // Our own "100 Continue" has been sent when the body is wanted.
            "expect" => true,
            "forwarded" => client.is_none(),
            // Their sender is not authenticated.
            "x-real-ip" => !trusted,
            name => !trusted && name.starts_with("x-forwarded-"),
        });
        match client {
            None => {
                headers.insert(X_FORWARDED_FOR, line);
            }
            Some(client) => {
                headers.insert(FORWARDED, line);
                headers.insert(X_FORWARDED_FOR, peer.or(client));
            }
        }
        headers.insert(X_FORWARDED_PROTO, told_proto.unwrap_or(HeaderValue::from_static(peer.scheme)));
        if let Some(host) = told_host.or(host) {
            headers.insert(X_FORWARDED_HOST, host);
        }
        headers.append(VIA, via(head.version));
        headers.insert(RequestId::HEADER, id.as_header().clone());
        if trailers {
            // Trailers pass through us, so we want them as well.
            headers.insert(TE, HeaderValue::from_static("trailers"));
            headers.insert(CONNECTION, HeaderValue::from_static("te"));
        }
        head.version = Version::HTTP_11;
        if !self.base.is_empty() {
            head.uri = self.below_base(&head.uri);
        }
        id
    }

    /// The value of the configured forwarding header: what a trusted peer sent, and the peer itself.
    fn line(&self, headers: &HeaderMap, peer: &Peer, trusted: bool) -> HeaderValue {
        let (name, own) = match self.header {
            ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, peer.text.clone()),
            ForwardedHeader::Forwarded => (FORWARDED, forwarded_element(peer, headers.get(HOST))),
        };
        if !trusted || !headers.contains_key(&name) {
            return own;
        }
        let mut line = Vec::new();
        for value in headers.get_all(&name) {
            line.extend_from_slice(value.as_bytes());
            line.extend_from_slice(b", ");
        }
        line.extend_from_slice(own.as_bytes());
        HeaderValue::from_bytes(&line).unwrap_or(own)
    }

    fn below_base(&self, uri: &Uri) -> Uri {
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        // "OPTIONS *" asks about the server, not about a path.
        if target == "*" {
            return uri.clone();
        }
        // Two valid paths make a valid path.
        Uri::try_from([self.base.as_str(), target].concat()).unwrap_or_else(|_| uri.clone())
    }
}

impl From<BadHead> for Refusal {
    fn from(bad: BadHead) -> Self {
        Self::BadRequest(match bad {
            BadHead::Host => "The request must name its host in exactly one Host header",
            BadHead::NoHost => {
                "The Host header must name a host, with a port or without, as models.example:8080 does"
            }
            BadHead::Target => "The request's target must be a path or an http URL",
        })
    }
}

impl Peer {
    /// The peer at `ip`, which speaks `http` or `https`.
    pub(crate) fn new(ip: IpAddr, scheme: &'static str) -> Self {
        let ip = ip.to_canonical();
        Self { ip, text: address(ip), scheme }
    }

    /// The text of `client`, which mostly is the peer.
    fn or(&self, client: IpAddr) -> HeaderValue {
        if client == self.ip { self.text.clone() } else { address(client) }
    }
}

fn address(ip: IpAddr) -> HeaderValue {
    HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Turns the head of the upstream's answer into the one that the client gets. The upstream may have an id of its own.
pub(crate) fn response(head: &mut response::Parts, id: &RequestId) {
    strip(&mut head.headers, |_| false);
    head.headers.entry(RequestId::HEADER).or_insert_with(|| id.as_header().clone());
    head.version = Version::HTTP_11;
}

/// Removes what may not stand after a body (RFC 9110, section 6.5.1): what frames it, and what concerns one connection.
pub(crate) fn trailers(trailers: &mut HeaderMap) {
    strip(trailers, |_| false);
    END_TO_END.iter().for_each(|name| drop(trailers.remove(name)));
}

/// Removes the fields that concern one connection only (RFC 9110, section 7.6.1), and those that are `unwanted`.
fn strip(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    // One look at each field that is there costs less than looking for each that may be.
    let is_gone = |name: &&HeaderName| is_hop_by_hop(name.as_str()) || unwanted(name.as_str());
    let mut gone: SmallVec<[HeaderName; 4]> = headers.keys().filter(is_gone).cloned().collect();
    if gone.contains(&CONNECTION) {
        let options = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|option| {
                !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive")
            })
            .filter_map(|option| HeaderName::from_bytes(option).ok())
            .filter(|name| !END_TO_END.contains(name));
        gone.extend(options);
    }
    for name in gone {
        headers.remove(name);
    }
}

/// Returns `true` if a field is connection-specific, with or without its name in `Connection`.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Returns `true` if the client accepts trailers, as those of gRPC do.
fn wants_trailers(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(TE).iter();
    lines
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Joins the cookies that HTTP/2 may split over several fields (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    // What valid values make is valid.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

/// An element of `Forwarded` (RFC 7239).
fn forwarded_element(peer: &Peer, host: Option<&HeaderValue>) -> HeaderValue {
    let mut element = match peer.ip {
        IpAddr::V4(ip) => format!("for={ip}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
    };
    // A host needs no escapes between quotes.
    if let Some(host) = host.and_then(|host| host.to_str().ok()) {
        // Writing to a String cannot fail.
        let _ = write!(element, ";host=\"{host}\"");
    }
    element.push_str(";proto=");
    element.push_str(peer.scheme);
    HeaderValue::try_from(element).unwrap_or(HeaderValue::from_static("for=unknown"))
}

fn via(version: Version) -> HeaderValue {
    match version {
        Version::HTTP_10 => const { HeaderValue::from_static("1.0 sluicegate") },
        Version::HTTP_2 => const { HeaderValue::from_static("2.0 sluicegate") },
        _ => const { HeaderValue::from_static("1.1 sluicegate") },
    }
}

/// Fields that a client must not have removed, because without them the message means something else.
const END_TO_END: [HeaderName; 2] = [HOST, CONTENT_LENGTH];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
