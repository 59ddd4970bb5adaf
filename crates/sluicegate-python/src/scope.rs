//! An ASGI scope, read as the head of a request.
//!
//! What is in a scope: <https://asgi.readthedocs.io/en/stable/specs/www.html>.

use std::{borrow::Cow, net::IpAddr};

use bytes::Bytes;
use http::{Method, Request, Uri, request::Parts, uri::PathAndQuery};
use percent_encoding::{
    AsciiSet, CONTROLS, PercentEncode, percent_decode, percent_encode, utf8_percent_encode,
};
use pyo3::{
    intern,
    prelude::*,
    types::{PyBytes, PyDict, PyString},
};

use sluicegate_policy::{NO_ADDRESS, Routes};

use crate::headers::{headers_of, list, part};

/// The head of a request, and whose connection it came by.
pub(crate) struct Head {
    pub(crate) parts: Parts,
    pub(crate) peer: IpAddr,
}

impl Head {
    /// Reads a scope of type `http` or `websocket`. Where routers of different frameworks would see different paths, it is
    /// the first that is on one of the `routes`.
    pub(crate) fn of(scope: &Bound<'_, PyDict>, routes: Option<&Routes>) -> PyResult<Self> {
        let py = scope.py();
        let (mut parts, ()) = Request::new(()).into_parts();
        // A WebSocket's handshake is a GET, and its scope does not say so.
        if let Some(method) = scope.get_item(intern!(py, "method"))? {
            parts.method = method_of(method.extract::<Cow<'_, str>>()?.as_ref());
        }
        parts.uri = target(scope, |path| routes.is_none_or(|routes| is_on(routes, &parts.method, path)))?;
        if let Some(headers) = scope.get_item(intern!(py, "headers"))? {
            parts.headers = headers_of(&list(&headers)?)?;
        }
        Ok(Self { parts, peer: peer(scope)? })
    }
}

/// The parameters that the app's own router has found in the path, as texts.
pub(crate) fn parameters(scope: &Bound<'_, PyDict>) -> PyResult<Vec<(String, String)>> {
    let Some(found) = scope.get_item(intern!(scope.py(), "path_params"))? else { return Ok(Vec::new()) };
    let found = found.cast_into::<PyDict>()?;
    let text = |value: Bound<'_, PyAny>| value.str().map(|text| text.to_string_lossy().into_owned());
    found.iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
}

/// A method that HTTP does not allow counts as one that no app serves.
fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => Method::from_bytes(name.as_bytes()).unwrap_or(Method::CONNECT),
    }
}

/// Returns `true` if a path is on a route, or is one that is refused.
fn is_on(routes: &Routes, method: &Method, path: &str) -> bool {
    routes.find(method, path).map_or(true, |found| found.route != routes.unmatched())
}

/// The path and the query as they were sent.
///
/// Servers let characters through that no URI has, and apps do not mind them. Here they are encoded, so that nobody leaves a
/// route by writing `?<` behind its path.
fn target(scope: &Bound<'_, PyDict>, is_known: impl Fn(&str) -> bool) -> PyResult<Uri> {
    let mut target = path(scope, is_known)?;
    let query = scope.get_item(intern!(scope.py(), "query_string"))?;
    if let Some(query) = query.as_ref().and_then(|query| query.cast::<PyBytes>().ok())
        && !query.as_bytes().is_empty()
    {
        target.push('?');
        target.extend(percent_encode(query.as_bytes(), NOT_IN_QUERY));
    }
    // Longer than 64 KiB it is no URI.
    let target = PathAndQuery::from_maybe_shared(Bytes::from(target));
    Ok(target.map_or_else(|_| Uri::from_static(NO_HONEST_PATH), Uri::from))
}

/// The path by which the app finds its routes: as it was sent, unless a middleware has put another in its place, and without
/// what the server says a proxy has cut off.
fn path(scope: &Bound<'_, PyDict>, is_known: impl Fn(&str) -> bool) -> PyResult<String> {
    let py = scope.py();
    let raw = scope.get_item(intern!(py, "raw_path"))?.filter(|raw| !raw.is_none());
    let raw = raw.as_ref().map(|raw| raw.cast::<PyBytes>().map(PyBytesMethods::as_bytes)).transpose()?;
    let Some(path) = scope.get_item(intern!(py, "path"))? else {
        return Ok(raw.map_or_else(|| "/".to_owned(), |raw| encoded(percent_encode(raw, NOT_IN_RAW_PATH))));
    };
    let path = path.cast::<PyString>()?.to_string_lossy();
    let sent = || match raw {
        Some(raw) if Cow::from(percent_decode(raw)) == path.as_bytes() => {
            encoded(percent_encode(raw, NOT_IN_RAW_PATH))
        }
        _ => encoded(utf8_percent_encode(&path, NOT_IN_PATH)),
    };
    // Where the app itself is mounted belongs to its paths, as a gateway sees them.
    let root = match scope.get_item(intern!(py, "app_root_path"))? {
        Some(root) => Some(root),
        None => scope.get_item(intern!(py, "root_path"))?,
    };
    let root =
        root.as_ref().and_then(|root| root.cast::<PyString>().ok()).map(PyStringMethods::to_string_lossy);
    let Some(root) = root.filter(|root| !root.is_empty()) else { return Ok(sent()) };
    let known = |path: String| Some(path).filter(|path| is_known(path));
    let cut = |below: &str| match encoded(utf8_percent_encode(below, NOT_IN_PATH)) {
        below if below.starts_with('/') => below,
        below => format!("/{below}"),
    };
    // Starlette's routers see this. Others also cut off what ends within a part of the path, or, as Litestar, stands anywhere.
    let seen = below(&path, &root).map_or_else(sent, cut);
    if is_known(&seen) {
        return Ok(seen);
    }
    let others =
        [below(&path, root.trim_end_matches('/')), path.split_once(&*root).map(|(_, behind)| behind)];
    let other = others.into_iter().flatten().find_map(|below| known(cut(below))).or_else(|| known(sent()));
    Ok(other.unwrap_or(seen))
}

/// The path below a root, as Starlette cuts it off: the root ends where a part of the path does.
fn below<'p>(path: &'p str, root: &str) -> Option<&'p str> {
    path.strip_prefix(root).filter(|below| !root.is_empty() && (below.is_empty() || below.starts_with('/')))
}

/// The path, encoded. Most have nothing to encode.
fn encoded(path: PercentEncode<'_>) -> String {
    let path = Cow::from(path);
    if path.is_empty() { "/".to_owned() } else { path.into_owned() }
}

/// The other end of the connection. One that has no address, as on a Unix socket, is the proxy that is called `unix`.
fn peer(scope: &Bound<'_, PyDict>) -> PyResult<IpAddr> {
    let Some(client) = scope.get_item(intern!(scope.py(), "client"))?.filter(|client| !client.is_none())
    else {
        return Ok(NO_ADDRESS);
    };
    let host = part(&client, 0);
    let host = host.as_ref().ok().and_then(|host| host.extract::<Cow<'_, str>>().ok()).unwrap_or_default();
    // A zone, as in `fe80::1%eth0`, is the server's own name for its network card.
    let host = host.split_once('%').map_or(&*host, |(address, _)| address);
    Ok(host.parse().unwrap_or(NO_ADDRESS))
}

/// A path that no honest client sends, and that is refused.
const NO_HONEST_PATH: &str = "/%00";

/// The path of a scope is decoded; these bytes have to be encoded again.
const NOT_IN_PATH: &AsciiSet = &NOT_IN_RAW_PATH.add(b'%');

/// Characters that no path has. All non-ASCII characters are always encoded.
const NOT_IN_RAW_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`');

/// Characters that no query has.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
