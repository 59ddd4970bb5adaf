//! An ASGI scope, read as the head of a request.
//!
//! What is in a scope: <https://asgi.readthedocs.io/en/stable/specs/www.html>.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

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

use crate::headers::{headers_of, list};

/// The head of a request, and whose connection it came by.
pub(crate) struct Head {
    pub(crate) parts: Parts,
    pub(crate) peer: IpAddr,
}

impl Head {
    /// Reads a scope of type `http` or `websocket`.
    pub(crate) fn of(scope: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = scope.py();
        let (mut parts, ()) = Request::new(()).into_parts();
        // A WebSocket's handshake is a GET, and its scope does not say so.
        if let Some(method) = scope.get_item(intern!(py, "method"))? {
            parts.method = method_of(method.extract::<Cow<'_, str>>()?.as_ref());
        }
        parts.uri = target(scope)?;
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

/// The path and the query as they were sent.
///
/// Servers let characters through that no URI has, and apps do not mind them. Here they are encoded, so that nobody leaves a
/// route by writing `?<` behind its path.
fn target(scope: &Bound<'_, PyDict>) -> PyResult<Uri> {
    let mut target = path(scope)?;
    if target.is_empty() {
        target.push('/');
    }
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

/// The path, without what the server says a proxy has cut off. It is the one by which the app finds its routes: as it was sent,
/// unless a middleware has put another in its place.
fn path(scope: &Bound<'_, PyDict>) -> PyResult<String> {
    let py = scope.py();
    let raw = scope.get_item(intern!(py, "raw_path"))?.filter(|raw| !raw.is_none());
    let raw = raw.as_ref().map(|raw| raw.cast::<PyBytes>().map(PyBytesMethods::as_bytes)).transpose()?;
    let Some(path) = scope.get_item(intern!(py, "path"))? else {
        return Ok(raw.map_or_else(|| "/".to_owned(), |raw| encoded(percent_encode(raw, NOT_IN_RAW_PATH))));
    };
    let path = path.cast::<PyString>()?.to_string_lossy();
    // Where the app itself is mounted belongs to its paths, as a gateway sees them.
    let root = match scope.get_item(intern!(py, "app_root_path"))? {
        Some(root) => Some(root),
        None => scope.get_item(intern!(py, "root_path"))?,
    };
    if let Some(root) = root.as_ref().and_then(|root| root.cast::<PyString>().ok()) {
        let root = root.to_string_lossy();
        let root = root.trim_end_matches('/');
        if let Some(below) =
            path.strip_prefix(root).filter(|below| !root.is_empty() && below.starts_with('/'))
        {
            return Ok(encoded(utf8_percent_encode(below, NOT_IN_PATH)));
        }
    }
    Ok(match raw {
        Some(raw) if Cow::from(percent_decode(raw)) == path.as_bytes() => {
            encoded(percent_encode(raw, NOT_IN_RAW_PATH))
        }
        _ => encoded(utf8_percent_encode(&path, NOT_IN_PATH)),
    })
}

/// Most paths have nothing to encode.
fn encoded(path: PercentEncode<'_>) -> String {
    Cow::from(path).into_owned()
}

/// The other end of the connection. One that has no address, as on a Unix socket, counts as `0.0.0.0`.
fn peer(scope: &Bound<'_, PyDict>) -> PyResult<IpAddr> {
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let Some(client) = scope.get_item(intern!(scope.py(), "client"))?.filter(|client| !client.is_none())
    else {
        return Ok(nobody);
    };
    let host = client.get_item(0);
    let host = host.as_ref().ok().and_then(|host| host.extract::<Cow<'_, str>>().ok()).unwrap_or_default();
    // A zone, as in `fe80::1%eth0`, is the server's own name for its network card.
    let host = host.split('%').next().unwrap_or_default();
    Ok(host.parse().unwrap_or(nobody))
}

/// What no honest client sends, and is refused.
const NO_HONEST_PATH: &str = "/%00";

/// The path of a scope is decoded; these bytes have to be encoded again.
const NOT_IN_PATH: &AsciiSet = &NOT_IN_RAW_PATH.add(b'%');

/// What no path has. All that is not ASCII is always encoded.
const NOT_IN_RAW_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`');

/// What no query has.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
