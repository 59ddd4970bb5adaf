//! A request that nobody sends.

use std::{fmt, net::IpAddr};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, HOST},
    request::Parts,
    uri::PathAndQuery,
};

use crate::decisions::entries::Entries;

/// A request whose decision is to be explained.
#[derive(Debug)]
pub struct SampleRequest {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    /// The address that connects: the client's, or that of a proxy that forwards it.
    pub(crate) peer: IpAddr,
    /// The domain and the entries, if it is a descriptor.
    pub(super) descriptor: Option<(String, Entries)>,
}

/// The reason why a text is no request.
#[derive(Debug)]
pub struct SampleError(String);

impl SampleRequest {
    /// Reads a request. `line` is its method and its path, as in `POST /v1/chat/completions?stream=1`; a URL is as good as
    /// a path. Without a method it is a `GET`, or a `POST` if it has a body.
    ///
    /// A line such as `ml: generic_key=chat, user=ann` is a descriptor of Envoy's rate limit filter, with one hit.
    ///
    /// # Errors
    ///
    /// When the line or a header is not what HTTP allows. The error never shows a header's value.
    pub fn new(
        line: &str,
        headers: impl IntoIterator<Item = (String, Vec<u8>)>,
        body: Option<Bytes>,
        peer: IpAddr,
    ) -> Result<Self, SampleError> {
        if let Some((domain, entries)) = line.split_once(": ").filter(|(domain, _)| is_domain(domain)) {
            return Self::described(domain, entries, peer);
        }
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [target] => Self::of(if body.is_some() { "POST" } else { "GET" }, target, headers, body, peer),
            [method, target] => Self::of(method, target, headers, body, peer),
            _ => Err(wrong(line, "a request: write it as \"POST /predict\"")),
        }
    }

    fn described(domain: &str, entries: &str, peer: IpAddr) -> Result<Self, SampleError> {
        let entry = |written: &str| match written.trim().split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(wrong(written.trim(), "an entry of a descriptor: write it as \"user=ann\"")),
        };
        let entries = Entries(entries.split(',').map(entry).collect::<Result<_, _>>()?);
        let (head, peer) = (entries.head(), entries.client(peer));
        Ok(Self { head, body: Bytes::new(), peer, descriptor: Some((domain.to_owned(), entries)) })
    }

    /// The request of a method for a path or a URL.
    pub(crate) fn of(
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (String, Vec<u8>)>,
        body: Option<Bytes>,
        peer: IpAddr,
    ) -> Result<Self, SampleError> {
        let method: Method = method.parse().map_err(|_| wrong(method, "a method of HTTP"))?;
        let uri: Uri = target.parse().map_err(|_| wrong(target, "a path or a URL"))?;
        let path = match uri.path_and_query() {
            Some(path) if path.as_str().starts_with('/') => path.clone(),
            _ => return Err(wrong(target, "a path: it begins with `/`")),
        };
        let host = uri.authority().map_or("localhost", |authority| authority.as_str());
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = method;
        head.uri = Uri::from(path);
        for (name, value) in headers {
            let field: HeaderName = name.parse().map_err(|_| wrong(&name, "the name of a header"))?;
            let Ok(value) = HeaderValue::from_bytes(&value) else {
                return Err(SampleError(format!(
                    "the value of the header `{name}` has characters that none may have"
                )));
            };
            head.headers.try_append(field, value).map_err(|_| SampleError(TOO_MANY.to_owned()))?;
        }
        if let Ok(host) = HeaderValue::from_str(host) {
            head.headers.entry(HOST).or_insert(host);
        }
        let body = match body {
            Some(body) => {
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                body
            }
            None => Bytes::new(),
        };
        Ok(Self { head, body, peer, descriptor: None })
    }

    /// Its method and its path, or the keys of its entries. Values and a query may have secrets.
    pub(super) fn line(&self) -> String {
        if let Some((domain, entries)) = &self.descriptor {
            let keys: Vec<_> = entries.0.iter().map(|(key, _)| key.as_str()).collect();
            return format!("{domain}: {}", keys.join(", "));
        }
        let query = if self.head.uri.query().is_some() { "?…" } else { "" };
        let path = self.head.uri.path_and_query().map_or("/", PathAndQuery::path);
        format!("{} {path}{query}", self.head.method)
    }
}

/// Returns `true` if this is no path, and no method before one.
fn is_domain(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c == '/')
}

fn wrong(text: &str, what: &str) -> SampleError {
    SampleError(format!("`{text}` is not {what}"))
}

const TOO_MANY: &str = "there are more headers than a request can have";

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SampleError {}
