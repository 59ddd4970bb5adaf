//! An ASGI scope, read as the head of a request.
//!
//! What is in a scope: <https://asgi.readthedocs.io/en/stable/specs/www.html>.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use bytes::Bytes;
use http::{Method, Request, Uri, request::Parts, uri::PathAndQuery};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pyo3::{
    intern,
    prelude::*,
    types::{PyBytes, PyDict},
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
    found.iter().map(|(name, value)| Ok((name.extract()?, value.str()?.extract()?))).collect()
}

/// A method that HTTP does not allow matches no route that names its methods.
fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => Method::from_bytes(name.as_bytes()).unwrap_or_default(),
    }
}

/// The path as it was sent, where the server tells it, and the query.
fn target(scope: &Bound<'_, PyDict>) -> PyResult<Uri> {
    let py = scope.py();
    let raw = scope.get_item(intern!(py, "raw_path"))?.filter(|raw| !raw.is_none());
    let mut target = match raw {
        Some(raw) => raw.cast::<PyBytes>()?.as_bytes().to_vec(),
        None => {
            let path = scope.get_item(intern!(py, "path"))?;
            let path = path.as_ref().map(PyAnyMethods::extract::<Cow<'_, str>>).transpose()?;
            utf8_percent_encode(path.as_deref().unwrap_or("/"), NOT_IN_PATH).to_string().into_bytes()
        }
    };
    let query = scope.get_item(intern!(py, "query_string"))?;
    if let Some(query) = query.as_ref().and_then(|query| query.cast::<PyBytes>().ok())
        && !query.as_bytes().is_empty()
    {
        target.push(b'?');
        target.extend_from_slice(query.as_bytes());
    }
    // What is no path, such as the `*` of OPTIONS, is on no route.
    let target = PathAndQuery::from_maybe_shared(Bytes::from(target));
    Ok(target.map_or_else(|_| Uri::from_static("*"), Uri::from))
}

/// The other end of the connection. One that has no address, as on a Unix socket, counts as `0.0.0.0`.
fn peer(scope: &Bound<'_, PyDict>) -> PyResult<IpAddr> {
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let Some(client) = scope.get_item(intern!(scope.py(), "client"))?.filter(|client| !client.is_none())
    else {
        return Ok(nobody);
    };
    let host = client.get_item(0)?;
    let host = host.extract::<Cow<'_, str>>().unwrap_or_default();
    // A zone, as in `fe80::1%eth0`, is the server's own name for its network card.
    let host = host.split('%').next().unwrap_or_default();
    Ok(host.parse().unwrap_or(nobody))
}

/// The path of a scope is decoded; these bytes have to be encoded again.
const NOT_IN_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');
