//! The URLs by which clients know an upstream.
//!
//! An upstream that is told a host of its own names it in redirects and cookies, and one below a base path names that. Unless
//! these are mapped back, clients go round the gateway, or to the base path twice.

mod cookie;
mod reference;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_LOCATION, Entry, HOST, LINK, LOCATION, REFRESH, SET_COOKIE},
};
use sluicegate_policy::Upstream;

use crate::request::forward::{X_FORWARDED_HOST, X_FORWARDED_PROTO};

/// Maps an upstream's own URLs back to those that clients see.
#[derive(Clone, Debug)]
pub(crate) struct PublicUrls {
    scheme: &'static str,
    /// The hosts by which it may name itself: that of its URL, and the one that it is told.
    hosts: Vec<String>,
    base: String,
}

/// The part of a request's head of which an upstream makes URLs.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The client's, as a proxy before us may have changed it.
    hosts: [Option<HeaderValue>; 2],
    scheme: Option<HeaderValue>,
}

impl PublicUrls {
    /// Returns `None` if the upstream knows no other URLs than its clients.
    pub(crate) fn of(upstream: &Upstream) -> Option<Self> {
        if upstream.told_host().is_none() && upstream.base().is_empty() {
            return None;
        }
        let scheme = if upstream.is_tls() { "https" } else { "http" };
        let hosts = [Some(upstream.authority()), upstream.told_host().map(str::to_owned)];
        Some(Self { scheme, hosts: hosts.into_iter().flatten().collect(), base: upstream.base().to_owned() })
    }

    /// Maps every field of a response in which the upstream may name itself. What names others stays as it is.
    pub(crate) fn map_back(&self, headers: &mut HeaderMap, told: &Told) {
        each(headers, LOCATION, |value| self.url(value, told));
        each(headers, CONTENT_LOCATION, |value| self.url(value, told));
        each(headers, REFRESH, |value| reference::in_refresh(value, |url| self.url(url, told)));
        each(headers, LINK, |value| reference::in_links(value, |url| self.url(url, told)));
        each(headers, SET_COOKIE, |value| {
            cookie::mapped(value, |domain| self.is_private(domain, told), |path| self.path(path))
        });
    }

    /// The reference by which clients reach the upstream's `url`, if it differs.
    ///
    /// It is relative, so that it holds whatever scheme and host a proxy before us has.
    fn url(&self, url: &str, told: &Told) -> Option<String> {
        // Browsers leave out tabs and take a backslash for a slash, so the rest could be another host.
        if url.bytes().any(|byte| byte <= b' ' || matches!(byte, b'\\' | 0x7F)) {
            return None;
        }
        let (scheme, rest) = match (url.strip_prefix("//"), url.split_once("://")) {
            (Some(rest), _) => (None, rest),
            (None, Some((scheme, rest))) if scheme.bytes().all(|it| it.is_ascii_alphanumeric()) => {
                (Some(scheme), rest)
            }
            _ => return if self.base.is_empty() { None } else { self.path(url) },
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if self.is_own(scheme, authority, told) {
            return self.below_base(path).map(local);
        }
        // An upstream that is told no host makes URLs of the client's, and they lack nothing but the removal of the base.
        let is_clients =
            !self.base.is_empty() && told.hosts().any(|host| host.eq_ignore_ascii_case(authority));
        let path = self.below_base(path).filter(|_| is_clients)?;
        let before = &url[..url.len() - rest.len() + authority.len()];
        Some(if path.starts_with('/') { format!("{before}{path}") } else { format!("{before}/{path}") })
    }

    /// The path by which clients reach this one of the upstream's, if that is another one.
    fn path(&self, path: &str) -> Option<String> {
        self.below_base(path).filter(|below| *below != path).map(local)
    }

    /// Returns the rest of a path below the base: a path, a query or nothing.
    fn below_base<'u>(&self, path: &'u str) -> Option<&'u str> {
        let below = path.strip_prefix(self.base.as_str())?;
        if self.base.is_empty() {
            return Some(below);
        }
        let is_whole = below.is_empty() || below.starts_with(['/', '?', '#']);
        // A path that climbs may lead out of the base, where no client gets.
        let steps =
            below.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
        (is_whole && !steps.split('/').any(|step| step == "..")).then_some(below)
    }

    /// Returns `true` if the upstream means itself.
    ///
    /// It may believe that it is spoken to by the client's scheme. Any other scheme is another server: a redirect from http
    /// to https that came back would never end.
    fn is_own(&self, scheme: Option<&str>, authority: &str, told: &Told) -> bool {
        let is_known = |scheme: &str| {
            scheme.eq_ignore_ascii_case(self.scheme)
                || told
                    .scheme
                    .as_ref()
                    .is_some_and(|told| told.as_bytes().eq_ignore_ascii_case(scheme.as_bytes()))
        };
        let authority = without_port(authority, scheme.unwrap_or(self.scheme));
        let mut hosts = self.hosts.iter().map(|host| without_port(host, self.scheme));
        scheme.is_none_or(is_known) && hosts.any(|host| host.eq_ignore_ascii_case(authority))
    }

    /// Returns `true` if no client would send a cookie of this domain, because only the upstream has it for a host.
    fn is_private(&self, domain: &str, told: &Told) -> bool {
        let is_it = |host: &str| name_of(host).eq_ignore_ascii_case(domain);
        self.hosts.iter().any(|host| is_it(host)) && !told.hosts().any(is_it)
    }
}

impl Told {
    /// Returns what these headers tell the upstream, among them the client's `Host`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let field = |name: HeaderName| headers.get(name).cloned();
        Self { hosts: [field(HOST), field(X_FORWARDED_HOST)], scheme: field(X_FORWARDED_PROTO) }
    }

    fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().flatten().filter_map(|host| host.to_str().ok())
    }
}

fn each(headers: &mut HeaderMap, name: HeaderName, map: impl Fn(&str) -> Option<String>) {
    let Entry::Occupied(mut field) = headers.entry(name) else { return };
    for value in field.iter_mut() {
        let mapped = std::str::from_utf8(value.as_bytes()).ok().and_then(&map);
        // A part of a valid value is valid.
        if let Some(mapped) = mapped.and_then(|mapped| HeaderValue::try_from(mapped).ok()) {
            *value = mapped;
        }
    }
}

/// A reference to this path of whatever host the client has asked.
fn local(path: &str) -> String {
    match path.as_bytes() {
        // Two slashes would name a host.
        [b'/', b'/', ..] => format!("/.{path}"),
        [b'/', ..] => path.to_owned(),
        _ => format!("/{path}"),
    }
}

fn without_port<'a>(authority: &'a str, scheme: &str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

/// The name in an authority, without its port.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests;
